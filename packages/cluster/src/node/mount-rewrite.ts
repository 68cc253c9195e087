/**
 * Where nothing can be mounted (network mode `proxy`), a container path in a command line or variable is replaced by the host
 * path behind it. A path counts only as a whole: /etc/app does not touch /etc/application. Paths below a folder of `programs` stay:
 * they are the image's own, even where a volume would hide them.
 */
export function pathRewriter(
  mounts: readonly { source: string; target: string }[],
  programs: readonly string[] = [],
): (text: string) => string {
  const longestFirst = [...mounts].sort((a, b) => b.target.length - a.target.length);
  return (text) =>
    longestFirst.reduce(
      (result, { source, target }) => replacePath(result, { target: target.replace(/\/+$/, ''), source, programs }),
      text,
    );
}

type Replacement = { target: string; source: string; programs: readonly string[] };

function replacePath(text: string, { target, source, programs }: Replacement): string {
  if (target === '') return text;
  let result = '';
  let from = 0;
  for (let at = text.indexOf(target); at >= 0; at = text.indexOf(target, at + target.length)) {
    const before = text[at - 1];
    const after = text[at + target.length];
    const whole = (before === undefined || !/[\w/.-]/.test(before)) && (after === undefined || !/[\w.-]/.test(after));
    if (!whole || programs.some((folder) => text.startsWith(folder, at))) continue;
    result += text.slice(from, at) + source;
    from = at + target.length;
  }
  return result + text.slice(from);
}
