package wechat

// retiredAPIs are names that WeChat has shut down, and what its documents recommend in their place. WeChat's own errcode for them is 45103,
// for uniformMessage.send 45109.
var retiredAPIs = map[string]string{
	"templateMessage.send":                   "subscribeMessage.send",
	"templateMessage.getTemplateLibraryList": "subscribeMessage.send",
	"templateMessage.getTemplateList":        "subscribeMessage.send",
	"templateMessage.deleteTemplate":         "subscribeMessage.send",
	"templateMessage.addTemplate":            "subscribeMessage.send",
	"templateMessage.getTemplateLibraryById": "subscribeMessage.send",
	"uniformMessage.send":                    "subscribeMessage.send",
}

// uncallableAPIs are names that WeChat documents as not callable from the cloud, where they are -604100.
var uncallableAPIs = []string{
	"internet.getUserEncryptKey",
	"auth.checkEncryptedData",
	"hardwareDevice.send",
	"auth.code2Session",
	"logistics.testUpdateOrder",
	"immediateDelivery.abnormalConfirm",
	"immediateDelivery.addOrder",
	"immediateDelivery.addTip",
	"immediateDelivery.bindAccount",
	"immediateDelivery.cancelOrder",
	"immediateDelivery.getAllImmeDelivery",
	"immediateDelivery.getBindAccount",
	"immediateDelivery.getOrder",
	"immediateDelivery.mockUpdateOrder",
	"immediateDelivery.openDelivery",
	"immediateDelivery.preAddOrder",
	"immediateDelivery.preCancelOrder",
	"immediateDelivery.reOrder",
	"immediateDelivery.realMockUpdateOrder",
	"immediateDelivery.updateOrder",
}
