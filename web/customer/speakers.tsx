// Names and initials beside what is said: the bot, every person and the bank's own announcements are told apart.
import type { ComponentProps } from 'react';
import type ReactWebChat from 'botframework-webchat';
import type { ActivityMiddleware } from '../shared/activityMiddlewares.js';
import type { SeenActivity } from '../shared/handoffActivity.js';
import { initialsOf, isDeleted, isFromSystem, readHandoff } from '../shared/handoffActivity.js';

type AvatarMiddleware = NonNullable<Exclude<ComponentProps<typeof ReactWebChat>['avatarMiddleware'], unknown[]>>;

export const nameSpeakers: ActivityMiddleware = () => (next) => (card) => {
  const activity = card.activity as SeenActivity;
  if (isDeleted(activity)) return false;
  if (isFromSystem(activity) && activity.type === 'message') {
    const kind = readHandoff(activity).kind;
    return () => (
      <div className="told" data-kind={kind}>
        <span>{activity.text}</span>
      </div>
    );
  }
  const render = next(card);
  if (!render) return false;
  return (...args) => {
    const { showCallout } = args[1];
    const name = activity.from?.role === 'user' ? undefined : activity.from?.name;
    return (
      <div className="said">
        {showCallout && name && activity.type === 'message' && <div className="said-by">{name}</div>}
        {render(...args)}
      </div>
    );
  };
};

/** `isPerson` knows the people who have joined, by id. */
export function showInitials(isPerson: (id: string) => boolean): AvatarMiddleware {
  return () =>
    () =>
    ({ activity, fromUser }) => {
      const { from } = activity as SeenActivity;
      if (fromUser || isFromSystem(activity)) return false;
      const look = isPerson(from?.id ?? '') ? 'initials initials-person' : 'initials';
      return () => (
        <span aria-hidden="true" className={look}>
          {initialsOf(from?.name ?? from?.id ?? '')}
        </span>
      );
    };
}
