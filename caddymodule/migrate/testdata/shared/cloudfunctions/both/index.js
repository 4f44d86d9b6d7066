const { cloud } = require('../common/reply')

exports.main = async event => {
  const [sum, product] = await Promise.all(['add', 'mul'].map(name => cloud.callFunction({ name, data: event })))
  return { ...sum.result, ...product.result }
}
