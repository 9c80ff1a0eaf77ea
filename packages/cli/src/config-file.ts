import { type Config, ConfigError, type LoadConfigOptions, loadConfig } from '@millrace/server/config';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-code.ts';

/** The configuration. Throws a `CliError` that names all that is wrong with it. */
export async function readConfig(options: LoadConfigOptions): Promise<Config> {
  try {
    return await loadConfig(options);
  } catch (error) {
    throw explainConfig(error);
  }
}

/** What is wrong with the configuration is told by its message alone; anything else stays what it is. */
export function explainConfig(error: unknown): unknown {
  return error instanceof ConfigError ? new CliError(error.message, EXIT.usage, { cause: error }) : error;
}
