import { RedirectAction_RedirectResponseCode as Code, type RedirectAction, RedirectActionSchema } from '@lateen/xds/messages/proxy';
import type { RequestView } from '../model.ts';
import { compileRegexMatcher } from './match.ts';
import { type PathCondition, pathOf, replaceMatchedPrefix } from './path-match.ts';
import { honours, type Report } from './report.ts';

const STATUS: Partial<Record<number, number>> = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
};

export type Redirect = { status: number; location(view: RequestView): string };

/** Where a request came to: what an answer made here with 201 or 3xx points to. */
export const ownLocation = (view: RequestView): string => `${view.scheme}://${view.authority}${view.path}`;

export const HTTPS_REDIRECT: Redirect = { status: 301, location: (view) => `https://${view.authority}${view.path}` };

const check = honours(RedirectActionSchema, [
  'httpsRedirect',
  'schemeRedirect',
  'hostRedirect',
  'portRedirect',
  'pathRedirect',
  'prefixRewrite',
  'regexRewrite',
  'responseCode',
  'stripQuery',
]);

export function compileRedirect(action: RedirectAction, condition: PathCondition, report: Report): Redirect {
  check(action, report);
  const status = STATUS[action.responseCode];
  if (!status) report.at('response_code').refuse(`unknown value ${action.responseCode}`);
  const newPath = compileRedirectPath(action, condition, report);
  // A query in path_redirect is meant to be there.
  const keepsQuery = action.pathRewriteSpecifier.case === 'pathRedirect' && action.pathRewriteSpecifier.value.includes('?');
  const { schemeRewriteSpecifier: scheme, hostRedirect, portRedirect, stripQuery } = action;
  const schemeOf = (view: RequestView): string => {
    if (scheme.case === 'schemeRedirect' && scheme.value !== '') return scheme.value;
    return scheme.case === 'httpsRedirect' && scheme.value ? 'https' : view.scheme;
  };
  return {
    status: status ?? 301,
    location(view) {
      const target = schemeOf(view);
      const rewritten = newPath(view.path);
      const path = stripQuery && !keepsQuery ? (rewritten.split('?', 1)[0] as string) : rewritten;
      return `${target}://${redirectHost(view, { target, hostRedirect, portRedirect })}${path}`;
    },
  };
}

function redirectHost(view: RequestView, to: { target: string; hostRedirect: string; portRedirect: number }): string {
  const port = to.portRedirect === 0 ? '' : `:${to.portRedirect}`;
  // As Envoy: a port in host_redirect stays before port_redirect.
  if (to.hostRedirect) return to.hostRedirect + port;
  const host = view.authority;
  const colon = host.startsWith('[') ? host.indexOf(':', host.indexOf(']')) : host.lastIndexOf(':');
  if (colon < 0) return host + port;
  // A default port that no longer fits the new scheme goes.
  const stale = view.scheme !== to.target && host.slice(colon + 1) === (view.scheme === 'http' ? '80' : '443');
  return stale || port !== '' ? host.slice(0, colon) + port : host;
}

function compileRedirectPath(action: RedirectAction, condition: PathCondition, report: Report): (pathWithQuery: string) => string {
  const rewrite = action.pathRewriteSpecifier;
  switch (rewrite.case) {
    case 'pathRedirect': {
      if (rewrite.value === '') return (path) => path;
      const target = rewrite.value.startsWith('/') ? rewrite.value : `/${rewrite.value}`;
      if (target.includes('?')) return () => target;
      return (path) => target + path.slice(pathOf(path).length);
    }
    case 'prefixRewrite':
      if (condition.kind === 'template') report.at('prefix_rewrite').refuse('cannot be used with path_match_policy');
      return rewrite.value === '' ? (path) => path : replaceMatchedPrefix(condition, rewrite.value);
    case 'regexRewrite':
      return compileRegexRewrite(rewrite.value, report.at('regex_rewrite'));
    case undefined:
      return (path) => path;
  }
}

type Rewrite = NonNullable<Extract<RedirectAction['pathRewriteSpecifier'], { case: 'regexRewrite' }>['value']>;

/** pattern and substitution on a whole text. */
export function compileTextRewrite(rewrite: Rewrite, report: Report): (text: string) => string {
  const regex = rewrite.pattern && compileRegexMatcher(rewrite.pattern, report.at('pattern'));
  return regex ? (text) => regex.replaceAll(text, rewrite.substitution) : (text) => text;
}

/** pattern and substitution on the path; the query stays. */
export function compileRegexRewrite(rewrite: Rewrite, report: Report): (pathWithQuery: string) => string {
  const apply = compileTextRewrite(rewrite, report);
  return (pathWithQuery) => {
    const path = pathOf(pathWithQuery);
    return apply(path) + pathWithQuery.slice(path.length);
  };
}
