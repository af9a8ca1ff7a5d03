// The search over all cells, names and words: the index is made when the page opens, from the documents that stand in it.
const split = /[^\p{L}\p{N}_]+/u
const words = text => text.split(split).flatMap(word => word.includes('_') ? [word, ...word.split('_')] : [word]).filter(Boolean)
const documents = JSON.parse(document.getElementById('documents').textContent)
const index = new MiniSearch({ fields: ['name', 'heading', 'text'], tokenize: words })
index.addAll(documents.map((found, id) => ({ ...found, id })))
const box = document.querySelector('input[type=search]'), said = document.getElementById('said'), list = document.getElementById('found')

// The text around the first word that was found, with every such word marked
function snippet(text, terms) {
  const escaped = terms.map(term => term.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const pattern = new RegExp(escaped.sort((a, b) => b.length - a.length).join('|') || '$^', 'giu')
  const first = Math.max(text.search(pattern), 0), start = first < 80 ? 0 : text.indexOf(' ', first - 70) + 1
  const stop = start + 220 < text.length ? text.lastIndexOf(' ', start + 220) : text.length
  const piece = text.slice(start, stop), shown = document.createElement('p')
  let end = 0
  for (const match of piece.matchAll(pattern)) {
    shown.append(piece.slice(end, match.index), Object.assign(document.createElement('mark'), { textContent: match[0] }))
    end = match.index + match[0].length
  }
  shown.append(piece.slice(end))
  shown.prepend(start ? '… ' : '')
  shown.append(stop < text.length ? ' …' : '')
  return shown
}

function entry(result) {
  const found = documents[result.id], item = document.createElement('li'), link = document.createElement('a')
  link.href = found.url
  link.textContent = [found.name, found.lesson, found.heading].filter(Boolean).join(' · ')
  item.className = found.kind
  item.append(link, snippet(found.text, result.terms))
  return item
}

function search() {
  const query = box.value.trim()
  const weight = id => ({ word: 3, name: 3, prose: 2, code: 1 })[documents[id].kind]
  const look = fuzzy => index.search(query, { combineWith: 'AND', prefix: true, fuzzy, boost: { name: 8, heading: 2 }, boostDocument: weight })
  let results = query ? look(false) : []
  if (!results.length && query) results = look(term => term.length > 4 && 0.2)      // misspelt, perhaps
  said.textContent = !query ? 'Type a word, a name, or a piece of code.' : results.length === 1 ? '1 place' : `${results.length || 'No'} places`
  list.replaceChildren(...results.slice(0, 40).map(entry))
}

box.value = new URLSearchParams(location.search).get('q') || ''
box.addEventListener('input', search)
box.form.addEventListener('submit', event => event.preventDefault())
search()
box.focus()
