// Collects findings while an object is checked.

import type { Finding, FindingLevel, ResourceRef } from './finding.ts';

/** Code of schema and semantic errors (Istio's SchemaValidationError) and of warnings (SchemaWarning). */
export const SCHEMA_ERROR = 'IST0106';
export const SCHEMA_WARNING = 'IST0133';

export type FindingDetail = { code: string; level: FindingLevel; path: string; message: string; fix?: string | undefined };

export class Report {
  readonly findings: Finding[] = [];
  readonly #resource: ResourceRef | undefined;

  constructor(resource?: ResourceRef) {
    this.#resource = resource;
  }

  error(path: string, message: string, fix?: string): void {
    this.add({ code: SCHEMA_ERROR, level: 'error', path, message, fix });
  }

  warning(path: string, message: string, fix?: string): void {
    this.add({ code: SCHEMA_WARNING, level: 'warning', path, message, fix });
  }

  /** Reports `problem` as an error unless it is undefined; what checks that give a text or nothing plug into. */
  check(path: string, problem: string | undefined): void {
    if (problem !== undefined) this.error(path, problem);
  }

  add(detail: FindingDetail): void {
    const { fix, ...rest } = detail;
    this.findings.push({ ...rest, ...(fix ? { fix } : {}), ...(this.#resource ? { resource: this.#resource } : {}) });
  }

  get hasErrors(): boolean {
    return this.findings.some((finding) => finding.level === 'error');
  }
}
