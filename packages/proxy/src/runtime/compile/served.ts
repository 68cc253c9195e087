// What the model can express but the data path does not serve yet. A configuration that asks for it is refused.

export const SERVED = { ringHash: false, maglev: false } as const;
