// CEL expressions compiled to closures, once per configuration: literals, fields, indices, operators, `in`, `has`, `size`, `string`,
// `int`, `double`, the methods of strings, and `exists`, `all`. Everything else is refused by name.
// Not @marcbachmann/cel-js: its matches() backtracks and cannot be replaced by RE2, it wants all headers copied into maps before
// each evaluation, and it costs 7.5 MiB of resident memory (decision 2).

import { compileRegex } from '../regex.ts';
import { fail, ok, type Result } from '../result.ts';
import { type Token, tokenize } from './tokens.ts';
import { type CelResult, CelStruct, type CelValue, celText, FAILED, isEqual, isList, isNumber } from './value.ts';

/** What a name at the beginning of a path stands for. */
export type CelScope = (name: string) => CelResult;
export type CelProgram = (scope: CelScope) => CelResult;

const MAX_SOURCE = 4096;
const MAX_DEPTH = 100;

/** The error says what cannot be understood. */
export function compileCel(source: string): Result<CelProgram> {
  if (source.length > MAX_SOURCE) return fail(`the expression is longer than ${MAX_SOURCE} characters`);
  const tokens = tokenize(source);
  if (!tokens.ok) return tokens;
  const parser = new Parser(tokens.value);
  try {
    return ok(parser.whole());
  } catch (error) {
    if (error instanceof CelSyntaxError) return fail(error.message);
    throw error;
  }
}

class CelSyntaxError extends Error {}

type BinaryOperator = (a: CelValue, b: CelValue) => CelResult;

/** By how tightly they bind, loosest first. `||` and `&&` are apart: they can do without one side. */
const BINARY: readonly Readonly<Record<string, BinaryOperator>>[] = [
  {
    '==': isEqual,
    '!=': (a, b) => !isEqual(a, b),
    '<': compare((order) => order < 0),
    '<=': compare((order) => order <= 0),
    '>': compare((order) => order > 0),
    '>=': compare((order) => order >= 0),
    in: (a, b) =>
      isList(b) ? b.some((item) => isEqual(a, item)) : b instanceof CelStruct && typeof a === 'string' ? b.field(a) !== FAILED : FAILED,
  },
  {
    '+': add,
    '-': arithmetic(
      (a, b) => a - b,
      (a, b) => a - b,
    ),
  },
  {
    '*': arithmetic(
      (a, b) => a * b,
      (a, b) => a * b,
    ),
    '/': arithmetic(
      (a, b) => (b === 0n ? FAILED : a / b),
      (a, b) => a / b,
    ),
    '%': arithmetic(
      (a, b) => (b === 0n ? FAILED : a % b),
      () => FAILED,
    ),
  },
];

function compare(test: (order: number) => boolean): BinaryOperator {
  return (a, b) => {
    if ((isNumber(a) && isNumber(b)) || (typeof a === 'string' && typeof b === 'string')) return test(a < b ? -1 : a > b ? 1 : 0);
    return FAILED;
  };
}

function arithmetic(whole: (a: bigint, b: bigint) => CelResult, real: (a: number, b: number) => CelResult): BinaryOperator {
  return (a, b) => {
    if (typeof a === 'bigint' && typeof b === 'bigint') return whole(a, b);
    return typeof a === 'number' && typeof b === 'number' ? real(a, b) : FAILED;
  };
}

function add(a: CelValue, b: CelValue): CelResult {
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  if (isList(a) && isList(b)) return [...a, ...b];
  return arithmetic(
    (x, y) => x + y,
    (x, y) => x + y,
  )(a, b);
}

const FUNCTIONS: Readonly<Record<string, (value: CelValue) => CelResult>> = {
  size: (value) => (typeof value === 'string' ? BigInt([...value].length) : isList(value) ? BigInt(value.length) : FAILED),
  string: (value) => celText(value) ?? FAILED,
  int: (value) => wholeOf(value),
  uint: (value) => wholeOf(value),
  double: (value) =>
    isNumber(value) || (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) ? Number(value) : FAILED,
};

function wholeOf(value: CelValue): CelResult {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return BigInt(Math.trunc(value));
  return typeof value === 'string' && /^-?\d{1,18}$/.test(value) ? BigInt(value) : FAILED;
}

const METHODS: Readonly<Record<string, (text: string, argument: string) => CelResult>> = {
  startsWith: (text, argument) => text.startsWith(argument),
  endsWith: (text, argument) => text.endsWith(argument),
  contains: (text, argument) => text.includes(argument),
  matches(text, argument) {
    const regex = compileRegex(argument);
    return regex.ok ? regex.value.matchesPartly(text) : FAILED;
  },
};
const PLAIN_METHODS: Readonly<Record<string, (text: string) => CelResult>> = {
  size: (text) => BigInt([...text].length),
  lowerAscii: (text) => text.toLowerCase(),
  upperAscii: (text) => text.toUpperCase(),
  trim: (text) => text.trim(),
};

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  whole(): CelProgram {
    const program = this.ternary();
    if (this.peek().kind !== 'end') this.refuse();
    return program;
  }

  private peek(): Token {
    return this.tokens[this.at] as Token;
  }

  private refuse(): never {
    const token = this.peek();
    throw new CelSyntaxError(
      token.kind === 'end' ? 'the expression ends too early' : `unexpected ${'text' in token ? token.text : String(token.value)}`,
    );
  }

  /** Goes on if the next word is this one. */
  private takes(text: string): boolean {
    const token = this.peek();
    const isIt = (token.kind === 'symbol' || token.kind === 'name') && token.text === text;
    if (isIt) this.at++;
    return isIt;
  }

  private needs(text: string): void {
    if (!this.takes(text)) this.refuse();
  }

  private name(): string {
    const token = this.peek();
    if (token.kind !== 'name') return this.refuse();
    this.at++;
    return token.text;
  }

  private ternary(): CelProgram {
    if (++this.depth > MAX_DEPTH) throw new CelSyntaxError('the expression is nested too deeply');
    const test = this.or();
    let program = test;
    if (this.takes('?')) {
      const yes = this.ternary();
      this.needs(':');
      const no = this.ternary();
      program = (scope) => {
        const verdict = test(scope);
        return typeof verdict === 'boolean' ? (verdict ? yes : no)(scope) : FAILED;
      };
    }
    this.depth--;
    return program;
  }

  private or(): CelProgram {
    return this.logical('||', true, () => this.logical('&&', false, () => this.binary(0)));
  }

  /** One side that settles the matter makes the other's failure harmless. */
  private logical(operator: string, settles: boolean, operand: () => CelProgram): CelProgram {
    let left = operand();
    while (this.takes(operator)) {
      const [before, right] = [left, operand()];
      left = (scope) => {
        const a = before(scope);
        if (a === settles) return settles;
        const b = right(scope);
        if (b === settles) return settles;
        return typeof a === 'boolean' && typeof b === 'boolean' ? !settles : FAILED;
      };
    }
    return left;
  }

  private binary(level: number): CelProgram {
    const operators = BINARY[level];
    if (!operators) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const token = this.peek();
      const text = token.kind === 'symbol' || token.kind === 'name' ? token.text : '';
      if (!Object.hasOwn(operators, text)) return left;
      this.at++;
      const [before, right, apply] = [left, this.binary(level + 1), operators[text] as BinaryOperator];
      left = (scope) => {
        const a = before(scope);
        if (a === FAILED) return FAILED;
        const b = right(scope);
        return b === FAILED ? FAILED : apply(a, b);
      };
    }
  }

  private unary(): CelProgram {
    if (++this.depth > MAX_DEPTH) throw new CelSyntaxError('the expression is nested too deeply');
    const program = this.operand();
    this.depth--;
    return program;
  }

  private operand(): CelProgram {
    if (this.takes('!')) {
      const operand = this.unary();
      return (scope) => {
        const value = operand(scope);
        return typeof value === 'boolean' ? !value : FAILED;
      };
    }
    if (this.takes('-')) {
      const operand = this.unary();
      return (scope) => {
        const value = operand(scope);
        if (typeof value === 'bigint') return -value;
        return typeof value === 'number' ? -value : FAILED;
      };
    }
    return this.path(this.primary());
  }

  private path(start: CelProgram): CelProgram {
    let program = start;
    for (;;) {
      if (this.takes('.')) {
        const name = this.name();
        program = this.takes('(') ? this.method(program, name) : fieldOf(program, name);
      } else if (this.takes('[')) {
        const index = this.ternary();
        this.needs(']');
        program = itemOf(program, index);
      } else return program;
    }
  }

  private method(target: CelProgram, name: string): CelProgram {
    if (name === 'exists' || name === 'all') return this.macro(target, name === 'exists');
    if (Object.hasOwn(PLAIN_METHODS, name) && this.takes(')')) {
      const apply = PLAIN_METHODS[name] as (text: string) => CelResult;
      return (scope) => {
        const value = target(scope);
        return typeof value === 'string' ? apply(value) : name === 'size' && isList(value) ? BigInt(value.length) : FAILED;
      };
    }
    if (!Object.hasOwn(METHODS, name)) throw new CelSyntaxError(`${name}() is not supported`);
    const [start, first] = [this.at, this.peek()];
    const argument = this.ternary();
    const isAlone = this.at === start + 1;
    this.needs(')');
    if (name === 'matches' && isAlone && first.kind === 'literal' && typeof first.value === 'string')
      return matchesLiteral(target, first.value);
    const apply = METHODS[name] as (text: string, argument: string) => CelResult;
    return (scope) => {
      const [text, by] = [target(scope), argument(scope)];
      return typeof text === 'string' && typeof by === 'string' ? apply(text, by) : FAILED;
    };
  }

  /** `list.exists(x, test)` and `list.all(x, test)`. */
  private macro(target: CelProgram, wanted: boolean): CelProgram {
    const variable = this.name();
    this.needs(',');
    const test = this.ternary();
    this.needs(')');
    return (scope) => {
      const list = target(scope);
      if (!isList(list)) return FAILED;
      const found = list.some((item) => test((name) => (name === variable ? item : scope(name))) === wanted);
      return found === wanted;
    };
  }

  private primary(): CelProgram {
    const token = this.peek();
    if (token.kind === 'literal') {
      this.at++;
      return () => token.value;
    }
    if (this.takes('(')) {
      const inner = this.ternary();
      this.needs(')');
      return inner;
    }
    if (this.takes('[')) return this.list();
    const name = this.name();
    if (name === 'true' || name === 'false') return () => name === 'true';
    if (name === 'null') return () => null;
    if (!this.takes('(')) return (scope) => scope(name);
    const argument = this.ternary();
    this.needs(')');
    if (name === 'has') return (scope) => argument(scope) !== FAILED;
    if (!Object.hasOwn(FUNCTIONS, name)) throw new CelSyntaxError(`${name}() is not supported`);
    const apply = FUNCTIONS[name] as (value: CelValue) => CelResult;
    return (scope) => {
      const value = argument(scope);
      return value === FAILED ? FAILED : apply(value);
    };
  }

  private list(): CelProgram {
    const items: CelProgram[] = [];
    while (!this.takes(']')) {
      if (items.length > 0) this.needs(',');
      items.push(this.ternary());
    }
    return (scope) => {
      const values = items.map((item) => item(scope));
      return values.includes(FAILED) ? FAILED : (values as CelValue[]);
    };
  }
}

/** The pattern is nearly always written down: compiled once, and refused where it cannot be. */
function matchesLiteral(target: CelProgram, pattern: string): CelProgram {
  const regex = compileRegex(pattern);
  if (!regex.ok) throw new CelSyntaxError(regex.error);
  return (scope) => {
    const text = target(scope);
    return typeof text === 'string' ? regex.value.matchesPartly(text) : FAILED;
  };
}

const fieldOf =
  (target: CelProgram, name: string): CelProgram =>
  (scope) => {
    const value = target(scope);
    return value instanceof CelStruct ? value.field(name) : FAILED;
  };

const itemOf =
  (target: CelProgram, index: CelProgram): CelProgram =>
  (scope) => {
    const value = target(scope);
    const key = index(scope);
    if (value instanceof CelStruct) return typeof key === 'string' ? value.field(key) : FAILED;
    return isList(value) && typeof key === 'bigint' ? (value[Number(key)] ?? FAILED) : FAILED;
  };
