import { RedirectAction_RedirectResponseCode as Code, type RedirectAction } from '@lateen/xds/messages/proxy';
import type { RequestView } from '../model.ts';
import { compileRegexMatcher } from './match.ts';
import { type PathCondition, pathOf, replaceMatchedPrefix } from './path-match.ts';
import type { Report } from './report.ts';

const STATUS: Partial<Record<number, number>> = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
};

export type Redirect = { status: number; location(view: RequestView): string };

export const HTTPS_REDIRECT: Redirect = { status: 301, location: (view) => `https://${view.authority}${view.path}` };

export function compileRedirect(action: RedirectAction, condition: PathCondition, report: Report): Redirect {
  const status = STATUS[action.responseCode];
  if (!status) report.at('response_code').refuse(`unknown value ${action.responseCode}`);
  const newPath = compileRedirectPath(action, condition, report);
  const { schemeRewriteSpecifier: scheme, hostRedirect, portRedirect, stripQuery } = action;
  const schemeOf = (view: RequestView): string => {
    if (scheme.case === 'schemeRedirect') return scheme.value;
    return scheme.case === 'httpsRedirect' && scheme.value ? 'https' : view.scheme;
  };
  return {
    status: status ?? 301,
    location(view) {
      const target = schemeOf(view);
      const path = newPath(stripQuery ? pathOf(view.path) : view.path);
      return `${target}://${redirectHost(view, { target, hostRedirect, portRedirect })}${path}`;
    },
  };
}

function redirectHost(view: RequestView, to: { target: string; hostRedirect: string; portRedirect: number }): string {
  const host = to.hostRedirect || view.authority;
  const colon = host.startsWith('[') ? host.indexOf(':', host.indexOf(']')) : host.indexOf(':');
  const bare = colon < 0 ? host : host.slice(0, colon);
  if (to.portRedirect !== 0) return `${bare}:${to.portRedirect}`;
  // A default port that no longer fits the new scheme goes.
  const port = colon < 0 ? '' : host.slice(colon + 1);
  const stale = !to.hostRedirect && view.scheme !== to.target && port === (view.scheme === 'http' ? '80' : '443');
  return stale ? bare : host;
}

function compileRedirectPath(action: RedirectAction, condition: PathCondition, report: Report): (pathWithQuery: string) => string {
  const rewrite = action.pathRewriteSpecifier;
  switch (rewrite.case) {
    case 'pathRedirect':
      if (rewrite.value.includes('?')) return () => rewrite.value;
      return (path) => rewrite.value + path.slice(pathOf(path).length);
    case 'prefixRewrite':
      return replaceMatchedPrefix(condition, rewrite.value);
    case 'regexRewrite':
      return compileRegexRewrite(rewrite.value, report.at('regex_rewrite'));
    case undefined:
      return (path) => path;
  }
}

/** pattern and substitution on the path; the query stays. */
export function compileRegexRewrite(
  rewrite: NonNullable<Extract<RedirectAction['pathRewriteSpecifier'], { case: 'regexRewrite' }>['value']>,
  report: Report,
): (pathWithQuery: string) => string {
  const regex = rewrite.pattern && compileRegexMatcher(rewrite.pattern, report.at('pattern'));
  if (!rewrite.pattern) report.at('pattern').refuse('is required');
  if (!regex) return (path) => path;
  return (pathWithQuery) => {
    const path = pathOf(pathWithQuery);
    return regex.replaceAll(path, rewrite.substitution) + pathWithQuery.slice(path.length);
  };
}
