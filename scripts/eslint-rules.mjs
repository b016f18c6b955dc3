// ESLint rules of our own. `hot`: in a file whose first line is `// @hot`, what costs too much on the road of a request.
// `max-params`: at most four parameters, five in hot files, where a place in a buffer (`start`, `end`, `at`, …) counts as
// part of the buffer and a last parameter with a default does not count.
// `no-room-bans`: names that only certain rooms may use (clocks, shared memory, the environment).

const FUNCTIONS = ':matches(FunctionDeclaration, FunctionExpression, ArrowFunctionExpression)';
const LOOPS = new Set(['ForStatement', 'WhileStatement', 'DoWhileStatement', 'ForOfStatement', 'ForInStatement']);
const FUNCTION_TYPES = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** Whether a loop stands between the node and the function (or file) that it belongs to. */
function isInLoop(node) {
  for (let at = node.parent; at !== null && at !== undefined; at = at.parent) {
    if (LOOPS.has(at.type)) return true;
    if (FUNCTION_TYPES.has(at.type)) return false;
  }
  return false;
}

function isInFunction(node) {
  for (let at = node.parent; at !== null && at !== undefined; at = at.parent) {
    if (FUNCTION_TYPES.has(at.type)) return true;
  }
  return false;
}

function isHot(context) {
  const [first] = context.sourceCode.lines;
  return first !== undefined && first.trim() === '// @hot';
}

const hot = {
  meta: { type: 'problem', schema: [], messages: { hot: '{{what}} in a @hot file' } },
  create(context) {
    if (!isHot(context)) return {};
    const report = (node, what) => context.report({ node, messageId: 'hot', data: { what } });
    return {
      [FUNCTIONS](node) {
        if (node.async) report(node, 'async function');
        if (node.generator) report(node, 'generator');
        if (isInLoop(node)) report(node, 'closure made in a loop');
      },
      AwaitExpression: (node) => report(node, 'await'),
      SpreadElement: (node) => report(node, 'spread'),
      RestElement(node) {
        if (!node.parent.type.startsWith('TS')) report(node, 'rest parameter or pattern');
      },
      'UnaryExpression[operator="delete"]': (node) => report(node, 'delete'),
      'MemberExpression[object.name="JSON"]': (node) => report(node, 'JSON'),
      'NewExpression[callee.name="RegExp"]': (node) => report(node, 'regular expression'),
      'CallExpression[callee.name="RegExp"]': (node) => report(node, 'regular expression'),
      'Literal[regex]'(node) {
        if (isInFunction(node)) report(node, 'regular expression made on each call');
      },
      TryStatement(node) {
        if (isInLoop(node)) report(node, 'try in a loop');
      },
    };
  },
};

const PLACE_IN_BUFFER = /^(at|from|to|start|stop|end|last|\w+(Start|End))$/;

/** A place counts for nothing beside what it is a place in, nor does a last parameter that has a default. */
function countParams(params) {
  const named = params.at(-1)?.type === 'AssignmentPattern' ? params.slice(0, -1) : params;
  const names = named.map((param) => (param.type === 'AssignmentPattern' ? param.left : param).name ?? '');
  const others = names.filter((name) => name !== 'this' && !PLACE_IN_BUFFER.test(name)).length;
  return others === 0 ? names.length : others;
}

const maxParams = {
  meta: {
    type: 'suggestion',
    schema: [{ type: 'object', properties: { max: { type: 'integer' }, hot: { type: 'integer' } } }],
    messages: { many: '{{count}} parameters (at most {{max}}, beside places in a buffer and a defaulted last one)' },
  },
  create(context) {
    const [limits] = context.options;
    const max = isHot(context) ? limits.hot : limits.max;
    return {
      [FUNCTIONS](node) {
        const count = countParams(node.params);
        if (count > max) context.report({ node, messageId: 'many', data: { count, max } });
      },
    };
  },
};

/** Types name things without using them. */
function isTypePosition(node) {
  return node.parent.type.startsWith('TS') && !/^TS(As|NonNull|Satisfies)/.test(node.parent.type);
}

const noRoomBans = {
  meta: {
    type: 'problem',
    schema: [{ type: 'object', additionalProperties: { type: 'string' } }],
    messages: { ban: '{{name}}: {{why}}' },
  },
  create(context) {
    // keys: `name` for a global, `object.property` for a member, `new Date()` for reading the clock through Date
    const bans = context.options[0] ?? {};
    const report = (node, name) => context.report({ node, messageId: 'ban', data: { name, why: bans[name] } });
    return {
      Identifier(node) {
        if (!Object.hasOwn(bans, node.name) || isTypePosition(node)) return;
        // names that are declared, imported or somebody's property refer to something else
        const reference = context.sourceCode.getScope(node).references.find((one) => one.identifier === node);
        if (reference !== undefined && !reference.resolved?.defs.length) report(node, node.name);
      },
      MemberExpression(node) {
        if (node.object.type !== 'Identifier' || node.computed) return;
        const name = `${node.object.name}.${node.property.name}`;
        if (Object.hasOwn(bans, name)) report(node, name);
      },
      'NewExpression[callee.name="Date"][arguments.length=0]'(node) {
        if (Object.hasOwn(bans, 'new Date()')) report(node, 'new Date()');
      },
    };
  },
};

export default { rules: { hot, 'max-params': maxParams, 'no-room-bans': noRoomBans } };
