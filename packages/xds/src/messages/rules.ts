// What the messages' fields may hold. Apart from the messages: only who refuses configuration asks.

export { VALIDATION_RULES } from './gen/validation-rules.ts';
export type { MessageRules, TextRule, ValidationRule } from './validation-rule.ts';
