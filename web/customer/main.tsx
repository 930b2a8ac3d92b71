// Entry of `/`, the customer's page.
import { createRoot } from 'react-dom/client';
import './customer.css';
import { ShopPage } from './ShopPage.js';

createRoot(document.getElementById('root')!).render(<ShopPage />);
