// The server's time, once a second, for everything that counts.
import { useEffect, useState } from 'react';
import { serverNow } from '../shared/http.js';

export function useNow(): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(serverNow()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}
