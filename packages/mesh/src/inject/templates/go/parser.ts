// Go text/template syntax, as far as injection templates use it: actions, variables, if, range, with, define, template.

import { lex, type Piece, TemplateSyntaxError, type Token } from './lexer.ts';

export type Operand =
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'dot' }
  | { kind: 'variable'; name: string }
  | { kind: 'function'; name: string }
  | { kind: 'group'; pipeline: Pipeline };
/** An operand with field accesses: $c.Ports, .Values.global, (index $x 0).Name. */
export type Term = { operand: Operand; fields: string[] };
/** A function with its arguments, or a single term. */
export type Command = Term[];
export type Pipeline = { variables: string[]; declares: boolean; commands: Command[] };

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'action'; pipeline: Pipeline }
  | { kind: 'if' | 'with' | 'range'; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: 'template'; name: string; pipeline: Pipeline | undefined };

export type ParsedTemplate = { body: Node[]; defined: Map<string, Node[]> };

const MAX_DEPTH = 100;

/** @throws TemplateSyntaxError with the line */
export function parseTemplate(source: string): ParsedTemplate {
  const state: State = { pieces: lex(source), at: 0, defined: new Map(), depth: 0 };
  const { nodes, end } = parseNodes(state);
  if (end) throw new TemplateSyntaxError(`line ${end.line}: "${end.word}" without an opening action`);
  return { body: nodes, defined: state.defined };
}

type State = { pieces: Piece[]; at: number; defined: Map<string, Node[]>; depth: number };
type End = { word: 'end' | 'else'; tokens: Token[]; line: number };

function parseNodes(state: State): { nodes: Node[]; end: End | undefined } {
  if (++state.depth > MAX_DEPTH) throw new TemplateSyntaxError(`nested deeper than ${MAX_DEPTH}`);
  const nodes: Node[] = [];
  while (state.at < state.pieces.length) {
    const piece = state.pieces[state.at++] as Piece;
    if (piece.kind === 'text') {
      nodes.push(piece);
      continue;
    }
    const { tokens, line } = piece;
    const first = tokens[0];
    if (first?.kind === 'word' && (first.text === 'end' || first.text === 'else')) {
      state.depth--;
      return { nodes, end: { word: first.text, tokens: tokens.slice(1), line } };
    }
    const node = parseAction(state, tokens, line);
    if (node) nodes.push(node);
  }
  state.depth--;
  return { nodes, end: undefined };
}

function parseAction(state: State, tokens: Token[], line: number): Node | undefined {
  const [first, second] = tokens;
  const keyword = first?.kind === 'word' ? first.text : '';
  switch (keyword) {
    case 'if':
    case 'with':
    case 'range':
      return parseBlock(state, keyword, { tokens: tokens.slice(1), line });
    case 'define': {
      const { nodes, end } = parseNodes(state);
      if (second?.kind !== 'string' || end?.word !== 'end') throw new TemplateSyntaxError(`line ${line}: malformed define`);
      state.defined.set(second.text, nodes);
      return undefined;
    }
    case 'template':
      if (second?.kind !== 'string') throw new TemplateSyntaxError(`line ${line}: template needs a name`);
      return { kind: 'template', name: second.text, pipeline: tokens.length > 2 ? parsePipeline(tokens.slice(2), line) : undefined };
    case 'block':
    case 'break':
    case 'continue':
      throw new TemplateSyntaxError(`line ${line}: "${keyword}" is not supported`);
    default:
      return { kind: 'action', pipeline: parsePipeline(tokens, line) };
  }
}

function parseBlock(state: State, kind: 'if' | 'with' | 'range', { tokens, line }: { tokens: Token[]; line: number }): Node {
  const pipeline = parsePipeline(tokens, line);
  const { nodes: body, end } = parseNodes(state);
  if (!end) throw new TemplateSyntaxError(`line ${line}: "${kind}" is not closed`);
  if (end.word === 'end') return { kind, pipeline, body, otherwise: [] };
  const [next] = end.tokens;
  if (next) {
    // "else if" and "else with" share the closing end.
    if (next.text !== 'if' && next.text !== 'with') throw new TemplateSyntaxError(`line ${end.line}: malformed else`);
    return { kind, pipeline, body, otherwise: [parseBlock(state, next.text, { tokens: end.tokens.slice(1), line: end.line })] };
  }
  const { nodes: otherwise, end: close } = parseNodes(state);
  if (close?.word !== 'end') throw new TemplateSyntaxError(`line ${line}: "${kind}" is not closed`);
  return { kind, pipeline, body, otherwise };
}

function parsePipeline(tokens: Token[], line: number): Pipeline {
  const cursor: Cursor = { tokens, at: 0, line };
  const { variables, declares } = parseVariables(cursor);
  const commands = parseCommands(cursor);
  if (cursor.at < tokens.length) throw new TemplateSyntaxError(`line ${line}: unexpected ${JSON.stringify(tokens[cursor.at]?.text)}`);
  return { variables, declares, commands };
}

type Cursor = { tokens: Token[]; at: number; line: number };

// "$x := …", "$x = …", "$i, $x := …".
function parseVariables(cursor: Cursor): { variables: string[]; declares: boolean } {
  const { tokens } = cursor;
  const isSymbol = (at: number, ...texts: string[]) => tokens[at]?.kind === 'symbol' && texts.includes(tokens[at]?.text ?? '');
  const variables: string[] = [];
  let at = 0;
  while (tokens[at]?.kind === 'variable') {
    variables.push((tokens[at] as Token).text);
    at++;
    if (isSymbol(at, ':=', '=')) {
      cursor.at = at + 1;
      return { variables, declares: (tokens[at] as Token).text === ':=' };
    }
    if (!isSymbol(at, ',')) break;
    at++;
  }
  return { variables: [], declares: false };
}

function parseCommands(cursor: Cursor): Command[] {
  const commands: Command[] = [];
  for (;;) {
    const command: Command = [];
    for (let term = parseTerm(cursor); term; term = parseTerm(cursor)) command.push(term);
    if (command.length === 0) throw new TemplateSyntaxError(`line ${cursor.line}: missing value`);
    commands.push(command);
    const next = cursor.tokens[cursor.at];
    if (next?.kind !== 'symbol' || next.text !== '|') return commands;
    cursor.at++;
  }
}

const CONSTANTS = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['nil', null],
]);

function parseTerm(cursor: Cursor): Term | undefined {
  const token = cursor.tokens[cursor.at];
  if (!token) return undefined;
  const fields: string[] = [];
  let operand: Operand | undefined = { kind: 'dot' };
  if (token.kind === 'field') {
    fields.push(token.text);
    cursor.at++;
  } else operand = parseOperand(cursor, token);
  if (!operand) return undefined;
  for (let next = cursor.tokens[cursor.at]; next?.kind === 'field' && next.isAttached; next = cursor.tokens[cursor.at]) {
    fields.push(next.text);
    cursor.at++;
  }
  return { operand, fields };
}

function parseOperand(cursor: Cursor, token: Token): Operand | undefined {
  switch (token.kind) {
    case 'string':
      cursor.at++;
      return { kind: 'literal', value: token.text };
    case 'number':
      cursor.at++;
      return { kind: 'literal', value: Number(token.text) };
    case 'variable':
      cursor.at++;
      return { kind: 'variable', name: token.text };
    case 'word': {
      cursor.at++;
      const constant = CONSTANTS.get(token.text);
      return constant === undefined ? { kind: 'function', name: token.text } : { kind: 'literal', value: constant };
    }
    case 'symbol': {
      if (token.text === '.') {
        cursor.at++;
        return { kind: 'dot' };
      }
      if (token.text !== '(') return undefined;
      cursor.at++;
      const commands = parseCommands(cursor);
      if (cursor.tokens[cursor.at]?.text !== ')') throw new TemplateSyntaxError(`line ${cursor.line}: missing ")"`);
      cursor.at++;
      return { kind: 'group', pipeline: { variables: [], declares: false, commands } };
    }
    default:
      return undefined;
  }
}
