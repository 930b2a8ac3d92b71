// How a person reads a conversation: names and initials, what is private, what was the customer's to press, a bot's drafts.
import { Avatar, Badge } from '@fluentui/react-components';
import type { Components } from 'botframework-webchat';
import type { ComponentProps, ReactNode } from 'react';
import type { ActivityMiddleware } from '../shared/activityMiddlewares.js';
import type { SeenActivity } from '../shared/handoffActivity.js';
import { isDeleted, isFromSystem, isPrivate, readHandoff } from '../shared/handoffActivity.js';
import { typingLine } from '../shared/TypingLine.js';
import { DraftActions } from './DraftActions.js';
import { customerName } from './words.js';

type ComposerProps = ComponentProps<typeof Components.Composer>;
type AvatarMiddleware = NonNullable<Exclude<ComposerProps['avatarMiddleware'], unknown[]>>;
type CardActionMiddleware = NonNullable<Exclude<ComposerProps['cardActionMiddleware'], unknown[]>>;

export const whoTypes = typingLine((id, name) => customerName({ id, name }));

const PRIVATE_WORDS: Record<string, string> = {
  note: 'private note',
  draft: 'private draft, not sent to the customer',
  summary: 'private summary',
};

export const markSpeakers: ActivityMiddleware = () => (next) => (card) => {
  const activity = card.activity as SeenActivity;
  if (isFromSystem(activity) && activity.type === 'message')
    return () => (
      <div className="told">
        <span>{activity.text}</span>
        {isPrivate(activity) && <PrivateMark kind={readHandoff(activity).kind} />}
      </div>
    );
  if (isDeleted(activity)) return () => <div className="told">A message was deleted.</div>;
  const render = next(card);
  if (!render) return false;
  const hidden = isPrivate(activity);
  return (...args) => (
    <Said name={args[1].showCallout || hidden ? speakerName(activity) : undefined} activity={activity}>
      {render(...args)}
    </Said>
  );
};

const speakerName = ({ from }: SeenActivity) => customerName({ id: from?.id, name: from?.name });

function Said({ name, activity, children }: { name?: string; activity: SeenActivity; children: ReactNode }) {
  const hidden = isPrivate(activity);
  const mine = activity.from?.role === 'user';
  const { choices, kind } = readHandoff(activity);
  const isDraft = hidden && kind === 'draft';
  if (activity.type !== 'message') return <div className="said">{children}</div>;
  return (
    <div className={`said${hidden ? ' said-privately' : ''}${mine ? ' said-by-me' : ''}`}>
      {(hidden || (name && !mine)) && (
        <div className="said-by">
          {!mine && <span>{name}</span>}
          {hidden && <PrivateMark kind={kind} />}
        </div>
      )}
      {children}
      {isDraft && <DraftActions activity={activity} />}
      {choices && <div className="choices">The customer could press: {choices.join(' · ')}</div>}
    </div>
  );
}

function PrivateMark({ kind }: { kind?: string }) {
  return (
    <Badge appearance="tint" color="warning" size="small">
      {PRIVATE_WORDS[kind ?? ''] ?? 'private'}
    </Badge>
  );
}

export const fluentAvatars: AvatarMiddleware =
  () =>
  () =>
  ({ activity, fromUser }) => {
    const seen = activity as SeenActivity;
    if (fromUser || isFromSystem(seen)) return false;
    const name = speakerName(seen);
    return () => <Avatar aria-hidden="true" name={name} color="colorful" idForColor={seen.from?.id} size={32} />;
  };

/** What a card asks is asked of the customer: only links work for a person. */
export const inertCards: CardActionMiddleware = () => (next) => (request) =>
  request.cardAction.type === 'openUrl' ? next(request) : {};
