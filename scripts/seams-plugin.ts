// The one part of the seams that no ready-made rule covers: `new Date(ms)` and `Date.parse(text)` only convert,
// every other use of Date may read the machine's clock.

/** The few fields of an ESTree node that the rule reads. */
interface Node {
  readonly type: string;
  readonly name?: string;
  readonly parent?: Node;
  readonly object?: Node;
  readonly property?: Node;
  readonly callee?: Node;
  readonly key?: Node;
  readonly computed?: boolean;
  readonly arguments?: readonly unknown[];
}

interface Context {
  report(problem: { node: Node; message: string }): void;
}

const conversions = new Set(['parse', 'UTC']);

function onlyConverts(node: Node): boolean {
  const { parent } = node;
  switch (parent?.type) {
    case 'NewExpression':
      return parent.callee === node && (parent.arguments?.length ?? 0) > 0;
    case 'MemberExpression':
      if (parent.property === node && !parent.computed) return true;
      return parent.object === node && !parent.computed && conversions.has(parent.property?.name ?? '');
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
      return parent.key === node && !parent.computed;
    case 'BinaryExpression':
    case 'TSTypeReference':
    case 'TSPropertySignature':
    case 'TSQualifiedName':
      return true;
    default:
      return false;
  }
}

const noCurrentTime = {
  create: (context: Context) => ({
    'Identifier[name="Date"]'(node: Node): void {
      if (!onlyConverts(node)) context.report({ node, message: 'The time comes from the clock.' });
    },
  }),
};

// biome-ignore lint/style/noDefaultExport: the linter loads a plugin by its default export
export default { meta: { name: 'seams' }, rules: { 'no-current-time': noCurrentTime } };
