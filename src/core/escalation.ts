// Which of a bot's outgoing activities are signals, in all four dialects.

export type Dialect = 'handoffProtocol' | 'commandTags' | 'wholeString' | 'closeOmnichannel';
