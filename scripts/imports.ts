import { parseSync } from 'oxc-parser';

export interface Import {
  readonly specifier: string;
  /** Erased at run time: `import type …` or `export type …`, not `import { type X }`. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Every static import, re-export and dynamic import of a literal in one source text. */
export function importsOf(path: string, text: string): Import[] {
  const { module, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path} cannot be parsed: ${error.message}`);
  const isTypeOnly = (statement: { start: number; end: number }): boolean =>
    /^(import|export)\s+type\b/.test(text.slice(statement.start, statement.end));
  const lineAt = (index: number): number => text.slice(0, index).split('\n').length;

  const imports = module.staticImports.map((statement) => ({
    specifier: statement.moduleRequest.value,
    typeOnly: isTypeOnly(statement),
    line: lineAt(statement.start),
  }));
  const reexports = module.staticExports.flatMap((statement) => {
    const [first] = statement.entries;
    if (!first?.moduleRequest) return [];
    return [
      {
        specifier: first.moduleRequest.value,
        typeOnly: isTypeOnly(statement),
        line: lineAt(statement.start),
      },
    ];
  });
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest }) => {
    const literal = /^(['"])(.*)\1$/.exec(text.slice(moduleRequest.start, moduleRequest.end));
    if (literal?.[2] === undefined) return [];
    return [{ specifier: literal[2], typeOnly: false, line: lineAt(moduleRequest.start) }];
  });
  return [...imports, ...reexports, ...dynamic];
}
