exports.run = (cloud, db) => db.collection("a").get()
