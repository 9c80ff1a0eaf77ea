import { isReservedEntity } from './auth/identity.ts';
import type { BridgeRule } from './bridge/bridge-rule.ts';
import { BUILT_IN_BRIDGE_RULES, genericRule } from './bridge/built-in-bridge-rules.ts';
import { readBridgeRule } from './bridge/declared-bridge-rule.ts';
import { BridgeRuleError } from './bridge/field-map.ts';
import type { Config } from './config-schema.ts';

/** The rules of a configuration, and why some of them cannot be, each naming its rule. */
export function readBridgeRules({ builtIn, generic, rules, entity = '' }: Config['bridge']): {
  readonly rules: readonly BridgeRule[];
  readonly problems: readonly string[];
} {
  const all: BridgeRule[] = builtIn ? [...BUILT_IN_BRIDGE_RULES] : [];
  const problems: string[] = isReservedEntity(entity) ? ['bridge.entity is the server’s own'] : [];
  if (generic.length > 0) all.push(genericRule(generic));
  for (const rule of rules) {
    if (all.some(({ name }) => name === rule.name))
      problems.push(`there are two bridge rules "${rule.name}"`);
    try {
      all.push(readBridgeRule(rule));
    } catch (error) {
      if (!(error instanceof BridgeRuleError)) throw error;
      problems.push(`the bridge rule "${rule.name}" ${error.message}`);
    }
  }
  return { rules: all, problems };
}
