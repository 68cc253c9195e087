// Image names: [registry/]repository[:tag][@digest].

export type ImageReference = { repository: string; tag: string };

/** Splits an image name; the repository keeps its path but loses the registry host. The tag defaults to "latest"; a digest counts as no tag. */
export function parseImageReference(image: string): ImageReference {
  const at = image.indexOf('@');
  const named = at < 0 ? image : image.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const segments = (hasTag ? named.slice(0, colon) : named).split('/');
  const first = segments[0] as string;
  const hasRegistry = segments.length > 1 && (first.includes('.') || first.includes(':') || first === 'localhost');
  return { repository: segments.slice(hasRegistry ? 1 : 0).join('/'), tag: hasTag ? named.slice(colon + 1) : 'latest' };
}

/** Whether the end of a repository path matches a pattern, segment by segment; "*" stands for any text within one segment. */
export function repositoryMatches(pattern: string, repository: string): boolean {
  const wanted = pattern.split('/');
  const given = repository.split('/').slice(-wanted.length);
  return given.length === wanted.length && wanted.every((segment, i) => segmentMatches(segment, given[i] as string));
}

function segmentMatches(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const first = parts[0] as string;
  const last = parts.at(-1) as string;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.endsWith(last) && text.length - last.length >= at;
}
