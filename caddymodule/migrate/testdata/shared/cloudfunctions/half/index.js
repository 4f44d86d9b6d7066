exports.main = async event => {
  return event.
}
