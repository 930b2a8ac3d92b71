// Context variables: what is known about a conversation besides its texts.

export type VariableValue = string | number | boolean | null | readonly (string | number | boolean)[];

export interface ContextVariable {
  value: VariableValue;
  displayable: boolean;
}

export type ContextVariables = Readonly<Record<string, ContextVariable>>;
