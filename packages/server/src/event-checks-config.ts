import type { Catalog } from '@millrace/catalog';
import type { Policies } from './policy.ts';
import { EventChecks } from './session/event-checks.ts';
import { UnknownEventWarnings } from './session/unknown-event-warnings.ts';

interface Parts {
  readonly catalog: Catalog;
  readonly policies: Policies;
  readonly logger: { warn(fields: object, message: string): void };
}

/** What is published is checked by the catalog, and by the policy of its namespace where the catalog does not know it. */
export function createEventChecks({ catalog, policies, logger }: Parts): EventChecks {
  const warnings = new UnknownEventWarnings({
    warn: (warning) =>
      logger.warn(
        { ...warning },
        'an event was published that the catalog does not know; declare it, or allow unknown events',
      ),
    onFull: (maxNames) =>
      logger.warn({ maxNames }, 'the catalog does not know ever more events: no more of them are named here'),
  });
  return new EventChecks({
    catalog,
    unknownEventsOf: (topic) => policies.of(topic).unknownEvents,
    onUnknown: (topic, event) => warnings.saw(topic, event),
  });
}
