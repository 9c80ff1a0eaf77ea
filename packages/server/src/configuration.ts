/*
 * `@millrace/server/config`: the configuration and the keys it names, for programs that stand beside a server. It loads
 * without the server, which takes as long again.
 */

export { FIRST_START_KEY_FILE, firstStartKey } from './auth/first-start-key.ts';
export { type SignTokenOptions, signToken } from './auth/sign-token.ts';
export { signingKeyOf, usesFirstStartKey } from './auth-config.ts';
export { systemClock } from './clock.ts';
export {
  type Config,
  ConfigError,
  type ConfigInput,
  defaultConfig,
  defineConfig,
  type LoadConfigOptions,
  loadConfig,
  resolveConfig,
} from './config.ts';
export { CONFIG_OPTIONS, CONFIG_SECTIONS, type ConfigOption, type OptionSchema } from './config-options.ts';
