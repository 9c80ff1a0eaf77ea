import type { Config } from './config.ts';
import { durationMs } from './duration.ts';
import { DeliveryRules } from './inbox/delivery-rules.ts';

/** How often and for how long messages are delivered, as the configuration says. */
export function deliveryRules({ inbox }: Config): DeliveryRules {
  return new DeliveryRules({ redeliveryMs: inbox.redelivery.map(durationMs), ttlMs: durationMs(inbox.ttl) });
}
