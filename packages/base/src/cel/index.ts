// Expressions of CEL, apart from the rest of the package: only what evaluates or checks them holds their code.

export { type CelProgram, type CelScope, compileCel } from './compile-cel.ts';
export { type CelResult, CelStruct, type CelValue, celOf, celText, FAILED, isList } from './value.ts';
