// The pure half of the data plane: xDS messages to compiled runtime. Runs anywhere; imports nothing of Node.

export * from './model.ts';
