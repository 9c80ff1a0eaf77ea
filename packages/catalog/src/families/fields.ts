import Type from 'typebox';

/** Who or what something is: never empty. */
export const id = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });

export const text = (description: string) => Type.String({ description });

export const percent = (description: string) => Type.Number({ minimum: 0, maximum: 100, description });

export const count = (description: string) => Type.Integer({ minimum: 0, description });

export const durationMs = (description: string) => Type.Number({ minimum: 0, description });

export const number = (description: string) => Type.Number({ description });

/** What the producer's own clock said, ISO 8601; the event's `timestamp` is the server's. */
export const producedAt = Type.Optional(Type.String({ description: 'By the producer’s clock, ISO 8601.' }));

/** Measured values by name. */
export const figures = (description: string) => Type.Record(Type.String(), Type.Number(), { description });
