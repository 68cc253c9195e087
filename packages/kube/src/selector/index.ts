export { type FieldRequirement, type FieldSelector, matchesFields, parseFieldSelector } from './field-selector.ts';
export {
  compileLabelSelector,
  formatLabelSelector,
  isLabelKey,
  isLabelValue,
  labelSelectorMatches,
  matchesLabels,
  parseLabelSelector,
  type Selector,
  type SelectorOperator,
  type SelectorRequirement,
} from './label-selector.ts';
