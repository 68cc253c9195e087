// `stats_config` of a bootstrap: which statistics are kept, what of their names is a label, and the bounds of histograms' buckets.

import type { Bootstrap } from '@lateen/xds/messages/admin';
import { compileStringMatcher } from '../runtime/compile/match.ts';
import type { Report } from '../runtime/compile/report.ts';
import { compileStatTags, ENVOY_TAGS, type StatTags, type TagSpecifier } from './stat-tags.ts';

export type StatsSettings = {
  /** Whether a statistic is kept, by its full name; undefined: all are. */
  readonly includes: ((name: string) => boolean) | undefined;
  /** Undefined: labels as Istio's bootstrap names them. */
  readonly tags: StatTags | undefined;
  /** Bounds of a histogram's buckets by its full name; undefined: Envoy's. */
  bucketsFor(name: string): readonly number[] | undefined;
};

/** As Istio's bootstrap configures Envoy. */
export const ISTIO_STATS: StatsSettings = { includes: undefined, tags: undefined, bucketsFor: () => undefined };

type Message = NonNullable<Bootstrap['statsConfig']>;

export function compileStatsConfig(message: Message | undefined, report: Report): StatsSettings {
  if (!message) return { ...ISTIO_STATS, tags: ENVOY_TAGS };
  return {
    includes: compileMatcher(message.statsMatcher, report.at('stats_matcher')),
    tags: compileTags(message, report.at('stats_tags')),
    bucketsFor: compileBuckets(message, report),
  };
}

function compileTags({ statsTags, useAllDefaultTags }: Message, report: Report): StatTags {
  const specifiers = statsTags.map(({ tagName, tagValue }, i): TagSpecifier => {
    if (tagName === '') report.at('', i).at('tag_name').refuse('must not be empty');
    return { name: tagName, ...(tagValue.case && { [tagValue.case]: tagValue.value }) };
  });
  return report.take(compileStatTags(specifiers, useAllDefaultTags ?? true)) ?? ENVOY_TAGS;
}

function compileMatcher(message: Message['statsMatcher'], report: Report): StatsSettings['includes'] {
  const rule = message?.statsMatcher;
  switch (rule?.case) {
    case 'rejectAll':
      return rule.value ? () => false : undefined;
    case 'inclusionList':
    case 'exclusionList': {
      const field = rule.case === 'inclusionList' ? 'inclusion_list' : 'exclusion_list';
      const patterns = rule.value.patterns.map((each, i) => compileStringMatcher(each, report.at(field).at('patterns', i)));
      const isListed = (name: string) => patterns.some((pattern) => pattern.test(name));
      return rule.case === 'inclusionList' ? isListed : (name) => !isListed(name);
    }
    default:
      return undefined;
  }
}

function compileBuckets({ histogramBucketSettings }: Message, report: Report): StatsSettings['bucketsFor'] {
  const rules = histogramBucketSettings.flatMap(({ match, buckets }, i) => {
    const at = report.at('histogram_bucket_settings', i);
    if (!match) at.at('match').refuse('is required');
    if (buckets.length === 0 || buckets.some((bound) => bound <= 0)) at.at('buckets').refuse('must be positive numbers, at least one');
    return match ? [{ isMeant: compileStringMatcher(match, at.at('match')).test, bounds: [...buckets].sort((a, b) => a - b) }] : [];
  });
  return (name) => rules.find(({ isMeant }) => isMeant(name))?.bounds;
}
