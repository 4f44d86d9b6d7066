const { cloud } = require('./reply')

module.exports = cloud.database()
