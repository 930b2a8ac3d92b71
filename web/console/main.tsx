// Entry of `/console/`, the page of the people who serve.
import { createRoot } from 'react-dom/client';
import './console.css';
import { App } from './App.js';

createRoot(document.getElementById('root')!).render(<App />);
