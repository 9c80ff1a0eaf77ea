// The only two globals beyond the language that this package uses; browsers and Node both have them.
// Declared here so that neither the DOM's nor Node's types are in sight of its sources.

declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array): string;
}
