/** What the placeholders of one event stand for. */
export interface TemplateValues {
  /** Which event this is, from 1. */
  readonly i: number;
  /** ISO 8601. */
  readonly now: string;
  /** From 0 up to but not including 1. */
  readonly random: number;
}

/**
 * Replaces `{{i}}`, `{{now}}` and `{{random}}`, inside and outside of JSON strings. Anything else in double braces stays
 * as it is: it belongs to the data.
 */
export function fillTemplate(template: string, values: TemplateValues): string {
  return template.replace(/\{\{(i|now|random)\}\}/g, (_, name: keyof TemplateValues) => String(values[name]));
}
