import type { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { webhookKey } from '@millrace/server/webhook';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-code.ts';

/** The least that the Standard Webhooks scheme asks for. */
const MIN_SECRET_BYTES = 24;
const HOW_TO =
  "make one with `node -p \"'whsec_' + crypto.randomBytes(32).toString('base64')\"` and give it to the receiver too";

/** Keys that sign, the current one first: while a secret is replaced, both the new and the old one do. */
export type WebhookSecrets = readonly Buffer[];

function readKey(text: string): Buffer {
  const key = webhookKey(text);
  if (key.length >= MIN_SECRET_BYTES) return key;
  throw new CliError(
    `the webhook secret has ${key.length} bytes, and needs ${MIN_SECRET_BYTES}; ${HOW_TO}`,
    EXIT.usage,
  );
}

function secretText(env: NodeJS.ProcessEnv): string {
  const { MILLRACE_WEBHOOK_SECRET: given, MILLRACE_WEBHOOK_SECRET_FILE: file } = env;
  if (given) return given;
  if (!file) {
    throw new CliError(
      `--forward needs a secret to sign with: set MILLRACE_WEBHOOK_SECRET, or MILLRACE_WEBHOOK_SECRET_FILE; ${HOW_TO}`,
      EXIT.usage,
    );
  }
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CliError(`MILLRACE_WEBHOOK_SECRET_FILE: ${file} cannot be read`, EXIT.usage, { cause });
  }
}

/**
 * The secrets of the environment, separated by white space: `whsec_` and base64, as the Standard Webhooks scheme writes them, or any
 * other text, whose bytes are the key.
 */
export function readWebhookSecrets(env: NodeJS.ProcessEnv): WebhookSecrets {
  return secretText(env).trim().split(/\s+/).map(readKey);
}
