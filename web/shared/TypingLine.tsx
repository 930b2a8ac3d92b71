// "Ana is typing": by name, in the page's own colours (Web Chat's moving picture is white).
import type { ComponentProps } from 'react';
import type ReactWebChat from 'botframework-webchat';

type TypingMiddleware = NonNullable<
  Exclude<ComponentProps<typeof ReactWebChat>['typingIndicatorMiddleware'], unknown[]>
>;

/** `nameOf` is asked with the id of who types and the name that came along, if one did. */
export function typingLine(nameOf: (id: string, name: string | undefined) => string): TypingMiddleware {
  return () =>
    () =>
    ({ activeTyping, visible }) => {
      const names = Object.entries(activeTyping)
        .filter(([, { role }]) => role !== 'user')
        .map(([id, { name }]) => nameOf(id, name || undefined));
      if (!visible || names.length === 0) return false;
      return (
        <p className="typing-line" role="status">
          {names.join(', ')} {names.length === 1 ? 'is' : 'are'} typing…
        </p>
      );
    };
}
