import type Type from 'typebox';
import { ConfigSchema } from './config-schema.ts';

/** What the schema says of one option, as far as it is shown or read from text. */
export interface OptionSchema extends Type.TSchema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly items?: OptionSchema;
  readonly properties?: Readonly<Record<string, OptionSchema>>;
  readonly patternProperties?: Readonly<Record<string, OptionSchema>>;
  readonly description?: string;
  readonly default?: unknown;
  readonly flag?: string;
  readonly path?: true;
  readonly secret?: true;
}

/** One option of the configuration: a key of a section, or the whole of `namespaces`. */
export interface ConfigOption {
  readonly section: string;
  /** Missing where the section is itself the option. */
  readonly key: string | undefined;
  /** `server.port`. */
  readonly name: string;
  /** `MILLRACE_SERVER_PORT`. */
  readonly env: string;
  readonly schema: OptionSchema;
}

export interface ConfigSection {
  readonly name: string;
  readonly description: string;
  readonly options: readonly ConfigOption[];
}

function envName(...parts: readonly string[]): string {
  return ['millrace', ...parts.map((part) => part.replace(/[A-Z]/g, '_$&'))].join('_').toUpperCase();
}

function readSection([name, schema]: [string, Type.TSchema]): ConfigSection {
  const { description = '', properties } = schema as OptionSchema;
  const options: ConfigOption[] =
    properties === undefined
      ? [{ section: name, key: undefined, name, env: envName(name), schema: schema as OptionSchema }]
      : Object.entries(properties).map(([key, option]) => ({
          section: name,
          key,
          name: `${name}.${key}`,
          env: envName(name, key),
          schema: option,
        }));
  return { name, description, options };
}

export const CONFIG_SECTIONS: readonly ConfigSection[] = Object.entries(ConfigSchema.properties).map(
  readSection,
);

export const CONFIG_OPTIONS: readonly ConfigOption[] = CONFIG_SECTIONS.flatMap(({ options }) => options);
