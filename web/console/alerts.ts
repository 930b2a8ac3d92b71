// How a new request gets noticed: the tab's title and icon always, a sound and a desktop notice if the person wants them.
import { useEffect, useRef, useState } from 'react';
import type { Conversation } from './api.js';
import { customerName } from './words.js';

export interface AlertSettings {
  sound: boolean;
  desktop: boolean;
}

const KEY = 'handoff.alerts';

export function useAlertSettings(): [AlertSettings, (change: Partial<AlertSettings>) => void] {
  const [settings, setSettings] = useState<AlertSettings>(() => {
    try {
      return {
        sound: false,
        desktop: false,
        ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<AlertSettings>),
      };
    } catch {
      return { sound: false, desktop: false };
    }
  });
  const keep = (next: AlertSettings) => {
    localStorage.setItem(KEY, JSON.stringify(next));
    setSettings(next);
  };
  const change = (wanted: Partial<AlertSettings>) => {
    if (!wanted.desktop) return keep({ ...settings, ...wanted });
    // The browser asks the person only on a click; a refusal leaves the switch off.
    void Notification.requestPermission().then((answer) =>
      keep({ ...settings, ...wanted, desktop: answer === 'granted' }),
    );
  };
  return [settings, change];
}

export function useOfferAlerts(offers: readonly Conversation[], settings: AlertSettings): void {
  const known = useRef<Set<string>>();
  useEffect(() => {
    const before = known.current;
    known.current = new Set(offers.map(({ id, epoch }) => `${id}/${epoch}`));
    // What was there when the page opened is on the screen already.
    const fresh = before ? offers.filter(({ id, epoch }) => !before.has(`${id}/${epoch}`)) : [];
    if (fresh.length === 0) return;
    if (settings.sound) playTone();
    if (settings.desktop && document.visibilityState === 'hidden') {
      for (const { id, customer, queue } of fresh)
        new Notification(`Request from ${customerName(customer)}`, { body: queue ?? '', tag: id });
    }
  }, [offers, settings]);

  const count = offers.length;
  useEffect(() => {
    document.title = count > 0 ? `(${count}) Handoff` : 'Handoff';
    showOnIcon(count);
  }, [count]);
}

/** Two short notes, made here: no sound file to load. */
function playTone(): void {
  const audio = new AudioContext();
  const volume = audio.createGain();
  volume.gain.value = 0.06;
  volume.connect(audio.destination);
  [660, 880].forEach((frequency, index) => {
    const tone = audio.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(volume);
    tone.start(audio.currentTime + index * 0.14);
    tone.stop(audio.currentTime + index * 0.14 + 0.12);
  });
  window.setTimeout(() => void audio.close(), 600);
}

const PLAIN_ICON = '/handoff.svg';

function showOnIcon(count: number): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  if (count === 0) {
    link.type = 'image/svg+xml';
    link.href = PLAIN_ICON;
    return;
  }
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 32;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.fillStyle = '#b10e1c';
  pen.beginPath();
  pen.arc(16, 16, 16, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = '#ffffff';
  pen.font = 'bold 20px system-ui, sans-serif';
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.fillText(count > 9 ? '9+' : String(count), 16, 17);
  link.type = 'image/png';
  link.href = canvas.toDataURL('image/png');
}
