// The routing diagnostics: which rule matched and why, who was chosen, who was passed over.
import { Button, Caption1, Text } from '@fluentui/react-components';
import { useState } from 'react';
import type { AssignReceipt, Receipt, RouteReceipt } from './api.js';
import { api } from './api.js';
import { useDesk } from './useDesk.js';
import { formatClock, formatExact, timeOf } from './time.js';
import { exclusionWords, methodWords, operatorWords, showValue } from './words.js';

export function WhyHere({ conversationId, receipts }: { conversationId: string; receipts: Receipt[] }) {
  if (receipts.length === 0) return <Caption1 className="subtle">No decision recorded yet.</Caption1>;
  const latestFirst = [...receipts].sort((a, b) => timeOf(b.at) - timeOf(a.at) || b.seq - a.seq);
  return (
    <ol className="receipts plain">
      {latestFirst.map((receipt, index) => (
        <li key={receipt.seq}>
          <details open={index < 2}>
            <summary>
              <Headline receipt={receipt} />
              <Caption1 className="subtle" title={formatExact(timeOf(receipt.at))}>
                {formatClock(timeOf(receipt.at))}
              </Caption1>
            </summary>
            {receipt.kind === 'route' && receipt.because ? (
              <Caption1 block className="breakable">
                {receipt.because}
              </Caption1>
            ) : null}
            {receipt.kind === 'route' ? <Rules conversationId={conversationId} receipt={receipt} /> : null}
            <Candidates candidates={receipt.candidates ?? []} chosen={chosenOf(receipt)} />
          </details>
        </li>
      ))}
    </ol>
  );
}

/** Receipts carry ids; people read names. */
function useNames(): (id: string) => string {
  const [{ agents }] = useDesk();
  return (id) => agents.find((agent) => agent.id === id)?.name ?? id;
}

const chosenOf = (receipt: Receipt) => (receipt.kind === 'assign' ? receipt.chosen : receipt.bot);

function Headline({ receipt }: { receipt: Receipt }) {
  const nameOf = useNames();
  return (
    <Text size={200} weight="semibold">
      {receipt.kind === 'route' ? routeWords(receipt) : assignWords(receipt, nameOf)}
    </Text>
  );
}

const HOW_FOUND: Record<string, string> = {
  fallback: 'no rule matched, fallback queue',
  default: 'no rule matched, default queue',
  only: 'the only queue',
  none: 'nowhere to go',
};

function routeWords({ rules, queue, by, observed }: RouteReceipt): string {
  const matched = rules.find((rule) => rule.matched && !rule.skipped);
  const reason = matched ? `rule ${matched.rule} matched` : (HOW_FOUND[by ?? ''] ?? 'no rule matched');
  const words = queue ? `${reason} → ${queue}` : reason;
  return observed ? `only observed: ${words}` : words;
}

function assignWords({ chosen, tieBreak, method }: AssignReceipt, nameOf: (id: string) => string): string {
  if (!chosen) return 'nobody could take it';
  const how = tieBreak ?? method;
  return how ? `${nameOf(chosen)} chosen (${methodWords(how)})` : `${nameOf(chosen)} chosen`;
}

/** The rules that were looked at; those that the list of receipts leaves out are read when somebody asks for them. */
function Rules({ conversationId, receipt }: { conversationId: string; receipt: RouteReceipt }) {
  const [full, setFull] = useState<RouteReceipt>();
  const [showsAll, setShowsAll] = useState(false);
  const [problem, setProblem] = useState<string>();
  const { rules } = showsAll && full ? full : receipt;

  const toggle = async () => {
    setProblem(undefined);
    try {
      if (!full) setFull(await api.routeReceipt(conversationId, receipt.seq));
      setShowsAll(!showsAll);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <ul className="plain rules">
      {rules.map(({ rule, matched, skipped, conditions }) => (
        <li key={rule}>
          <Text size={200}>
            {matched && !skipped ? '✓' : '✗'} rule {rule}
            {skipped ? ` passed over: ${exclusionWords(skipped)}` : ''}
          </Text>
          {conditions.map((condition, index) => (
            <Caption1 key={index} block className="subtle breakable">
              {condition.result ? '✓' : '✗'} {condition.variable} {operatorWords(condition.operator)}
              {condition.expected === undefined ? '' : ` ${showValue(condition.expected)}`}
              {condition.operator === 'hasNoData' || condition.operator === 'hasData'
                ? ''
                : ` (was ${showValue(condition.actual)})`}
            </Caption1>
          ))}
        </li>
      ))}
      {receipt.omitted === undefined ? null : (
        <li>
          {full?.omittedBecause ? (
            <Caption1 className="subtle" role="status">
              {receipt.omitted} more rules do not hold. {full.omittedBecause}
            </Caption1>
          ) : (
            <Button size="small" aria-expanded={showsAll} onClick={() => void toggle()}>
              {showsAll ? 'Show fewer rules' : `Show ${receipt.omitted} more rules that do not hold`}
            </Button>
          )}
          {problem && (
            <Caption1 block role="alert">
              {problem}
            </Caption1>
          )}
        </li>
      )}
      <li>
        <Caption1 className="subtle">rule set version {receipt.ruleSetVersion}</Caption1>
      </li>
    </ul>
  );
}

function Candidates({
  candidates,
  chosen,
}: {
  candidates: { id: string; excluded?: string; load?: number; capacity?: number }[];
  chosen?: string;
}) {
  const nameOf = useNames();
  if (candidates.length === 0) return null;
  return (
    <ul className="plain rules" aria-label="Candidates">
      {candidates.map(({ id, excluded, load, capacity }) => (
        <li key={id}>
          <Caption1 className="subtle">
            {id === chosen ? '✓' : '✗'} {nameOf(id)}
            {excluded ? `: ${exclusionWords(excluded)}` : ''}
            {load === undefined || capacity === undefined ? '' : ` (${load} of ${capacity})`}
          </Caption1>
        </li>
      ))}
    </ul>
  );
}
