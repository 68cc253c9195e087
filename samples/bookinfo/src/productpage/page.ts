// The HTML of productpage: one page with the book, its details and its reviews, and the sign-in dialog.

import type { BookDetails } from '../details/details.ts';
import type { Review } from '../reviews/reviews.ts';

export type Product = { id: number; title: string; descriptionHtml: string };
export type Fetched<T> = { status: number; value: T } | { status: number; error: string };
export type ReviewsAnswer = { podname?: string; clustername?: string; reviews: Review[] };

export type PageContent = {
  product: Product;
  details: Fetched<BookDetails>;
  reviews: Fetched<ReviewsAnswer>;
  user: string | undefined;
};

const STYLE = `
:root{--ink:#1f2937;--soft:#6b7280;--line:#e5e7eb;--accent:#1d4ed8;--card:#fff;--page:#f3f4f6}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);background:var(--page)}
nav{display:flex;align-items:center;gap:1rem;min-height:3.75rem;background:#111827;color:#fff;padding:.5rem 1.5rem;white-space:nowrap}
nav a{color:#fff;text-decoration:none;font-weight:600}nav .right{margin-left:auto}a{color:var(--accent)}
button{font:inherit;border:0;border-radius:.375rem;background:var(--accent);color:#fff;padding:.375rem .875rem;cursor:pointer}
main{max-width:64rem;margin:2rem auto;padding:0 1rem}h1{text-align:center;font-size:2.25rem;line-height:1.2;margin:0 0 .75rem}
.summary{max-width:46rem;margin:0 auto 2rem;color:var(--soft);text-align:center}
.grid{display:grid;gap:1.5rem;grid-template-columns:1fr 2fr;align-items:start}@media(max-width:48rem){.grid{grid-template-columns:1fr}}
section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.25rem 1.5rem}
h2{margin:0 0 1rem;font-size:1.25rem}dl{display:grid;grid-template-columns:auto 1fr;gap:.35rem 1rem;margin:0}dt{color:var(--soft)}dd{margin:0}
blockquote{margin:0 0 1.5rem;padding-left:1rem;border-left:3px solid var(--line)}blockquote p{margin:0 0 .5rem}blockquote footer{color:var(--soft)}
.stars{letter-spacing:.1em;font-size:1.5rem;line-height:1}.served{color:var(--soft);font-size:.875rem;margin:0;overflow-wrap:anywhere}.error{color:#b91c1c}
dialog{width:20rem;border:0;border-radius:.75rem;padding:1.5rem;color:var(--ink);white-space:normal;box-shadow:0 1rem 3rem rgb(0 0 0/.3)}dialog::backdrop{background:rgb(17 24 39/.5)}
dialog p{margin:-.75rem 0 1rem;color:var(--soft);font-size:.875rem}label{display:block;margin-bottom:1rem}dialog button{width:100%}
input{display:block;width:100%;margin-top:.25rem;font:inherit;padding:.4rem .6rem;border:1px solid #9ca3af;border-radius:.375rem}:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
`;

/** The whole document. Everything that came over the network is escaped. */
export function renderProductPage(content: PageContent): string {
  const { product, details, reviews, user } = content;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simple Bookstore App</title>
<style>${STYLE}</style>
</head>
<body>
<nav>
  <a href="/productpage">BookInfo Sample</a>
  <div class="right">${user === undefined ? SIGN_IN : signedIn(user)}</div>
</nav>
<main>
  <h1>${escapeHtml(product.title)}</h1>
  <p class="summary">Summary: ${product.descriptionHtml}</p>
  <div class="grid">
    <section aria-labelledby="details"><h2 id="details">Book Details</h2>${renderDetails(details)}</section>
    <section aria-labelledby="reviews"><h2 id="reviews">Book Reviews</h2>${renderReviews(reviews)}</section>
  </div>
</main>
</body>
</html>
`;
}

const SIGN_IN = `
    <button type="button" id="sign-in" onclick="document.getElementById('login').showModal()">Sign in</button>
    <dialog id="login" aria-labelledby="login-title">
      <h2 id="login-title">Sign in</h2>
      <p>Any name and any password will do.</p>
      <form method="post" action="login" name="login_form">
        <label>User Name <input type="text" name="username" id="username" autocomplete="username" required></label>
        <label>Password <input type="password" name="passwd" id="password" autocomplete="current-password"></label>
        <button type="submit">Sign in</button>
      </form>
    </dialog>`;

const signedIn = (user: string): string => `<span id="user">${escapeHtml(user)}</span> (<a href="logout">sign out</a>)`;

function renderDetails(details: Fetched<BookDetails>): string {
  if ('error' in details) return renderFailure('product details', details);
  const { value } = details;
  const rows = {
    'ISBN-10': value['ISBN-10'],
    'ISBN-13': value['ISBN-13'],
    Author: value.author,
    Year: value.year,
    Type: value.type,
    Pages: value.pages,
    Publisher: value.publisher,
    Language: value.language,
  };
  const items = Object.entries(rows).map(([name, fact]) => `<dt>${name}</dt><dd>${escapeHtml(String(fact))}</dd>`);
  return `<dl>${items.join('')}</dl>`;
}

function renderReviews(reviews: Fetched<ReviewsAnswer>): string {
  if ('error' in reviews) return renderFailure('product reviews', reviews);
  const { value } = reviews;
  const quotes = value.reviews.map(
    (review) =>
      `<blockquote><p>"${escapeHtml(review.text)}"</p>${renderRating(review)}<footer>${escapeHtml(review.reviewer)}</footer></blockquote>`,
  );
  return `${quotes.join('')}<p class="served">Reviews served by: <code>${escapeHtml(value.podname ?? 'unknown')}</code></p>`;
}

function renderRating({ rating }: Review): string {
  if (!rating) return '';
  if ('error' in rating) return `<p class="error"><i>${escapeHtml(rating.error)}</i></p>`;
  const filled = Math.max(0, Math.min(5, Math.trunc(rating.stars)));
  const color = /^[a-z]{1,20}$/.test(rating.color) ? rating.color : 'black';
  return `<p class="stars" style="color:${color}" role="img" aria-label="${filled} of 5 ${color} stars">${'★'.repeat(filled)}${'☆'.repeat(5 - filled)}</p>`;
}

function renderFailure(what: string, failure: { status: number; error: string }): string {
  return `<div class="error" role="alert"><strong>Error fetching ${what}!</strong><p>${escapeHtml(failure.error)}</p></div>`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
