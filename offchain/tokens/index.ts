export * from './answerCount';
export { counterOf, MAX_TOKENIZED, type PromptCounts, promptMax, type TokenCounter } from './counters';
export { BYTES, type TokenizerName, tokenizerNames, tokenizerOfModel } from './families';
