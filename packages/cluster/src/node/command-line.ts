// Which command line a container runs, by Kubernetes' rules: `command` replaces the image's entrypoint and drops its default
// arguments, `args` replaces the default arguments. The annotation `lateen.io/command.CONTAINER` stands in for an image that
// the catalogue does not know.

import type { Container, Pod } from '@lateen/kube/types';
import { expandReferences } from './expand.ts';
import { fillVariables, type ImageCatalogue, type ResolvedImage } from './image-catalogue.ts';

export const COMMAND_ANNOTATION_PREFIX = 'lateen.io/command.';

/** The image of a container, from the pod's annotation or the catalogue; undefined when nobody knows it. */
export function findImage(pod: Pod, container: Container, catalogue: ImageCatalogue): ResolvedImage | undefined {
  const annotated = pod.metadata.annotations?.[`${COMMAND_ANNOTATION_PREFIX}${container.name}`];
  if (annotated === undefined) return catalogue.find(container.image ?? '');
  const entrypoint = splitWords(annotated).map((word) => fillVariables(word, { node: process.execPath }));
  return {
    source: `annotation ${COMMAND_ANNOTATION_PREFIX}${container.name}`,
    here: undefined,
    entrypoint,
    cmd: [],
    env: {},
    builtin: undefined,
    workingDir: undefined,
  };
}

/** The whole command line, with `$(NAME)` expanded in the container's own words. */
export function commandLine(container: Container, image: ResolvedImage, env: ReadonlyMap<string, string>): string[] {
  const command = container.command ?? [];
  const args = container.args ?? [];
  const expanded = (words: string[]) => words.map((word) => expandReferences(word, env));
  if (command.length > 0) return [...expanded(command), ...expanded(args)];
  return [...image.entrypoint, ...(args.length > 0 ? expanded(args) : image.cmd)];
}

/** Splits at blanks; single and double quotes keep blanks, as in a shell without any expansion. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)) words.push(match[0].replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
  return words;
}
