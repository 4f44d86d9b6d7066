"use strict";
var __importStar = (this && this.__importStar) || (mod => mod);
Object.defineProperty(exports, "__esModule", { value: true });
const cloud = __importStar(require("wx-server-sdk"));
const helper = require("./helper");
(0, cloud.init)();
exports.main = () => helper.run(cloud, cloud.database());
