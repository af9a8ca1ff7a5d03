// "/" leads to the search; a box that must be scrolled can be reached by the keyboard; a tap shows a picture in its own size.
addEventListener('keydown', event => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)
  if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  document.querySelector('input[type=search]')?.focus()
})
function reachable() {
  for (const box of document.querySelectorAll('pre, .wide, .output_html, math[display=block]'))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0
}
addEventListener('load', reachable)
addEventListener('resize', reachable)
addEventListener('click', event => {
  if (event.target.matches('.output_picture img')) event.target.classList.toggle('whole')
})
