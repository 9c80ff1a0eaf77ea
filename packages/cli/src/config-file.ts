import { type Config, ConfigError, type LoadConfigOptions, loadConfig } from '@millrace/server/config';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-code.ts';

/** The configuration. Throws a `CliError` that names all that is wrong with it. */
export async function readConfig(options: LoadConfigOptions): Promise<Config> {
  try {
    return await loadConfig(options);
  } catch (error) {
    throw explainConfig(error) ?? error;
  }
}

/** What is wrong with the configuration, which its message tells; `undefined` where something else is wrong. */
export function explainConfig(error: unknown): CliError | undefined {
  if (!(error instanceof ConfigError)) return undefined;
  return new CliError(error.message, EXIT.usage, { cause: error });
}
