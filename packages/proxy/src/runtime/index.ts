// The pure half of the data plane: xDS messages to compiled runtime. Runs anywhere; imports nothing of Node.

export { type Compiled, compileCluster, compileEndpoints, compileListener, compileRouteTable, compileSecret } from './compile/compile.ts';
export { type FormatOperator, parseFormat } from './format.ts';
export * from './model.ts';
