export * from './answerCount';
export { BYTES, type PromptCounts, type TokenCounter } from './bytes';
export { counterOf, MAX_TOKENIZED, promptMax } from './counters';
export { type TokenizerName, tokenizerNames, tokenizerOfModel } from './families';
