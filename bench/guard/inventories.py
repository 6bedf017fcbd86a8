"""What the sentences for the name model are filled with, and how often.

Surnames by their share of the population (2020 name report of the Ministry of Public Security, the first hundred) and
the rest of the Hundred Family Surnames; characters of given names written down by hand.
"""

from __future__ import annotations

import random

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖"
    "石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷黎史龙陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤"
    "温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟申殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季成霍涂裴游盛"
    "冉翁蓝骆路辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤时穆农司古吉卓车简连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋"
    "商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻厉伊仝区郜海阙花权强帅屠豆朴"
    "盖练廉禹井漆巴肇阎傅萧於岩宿幸容向经裘缪干贲嵇束钮卻璩桑濮牧隗山谷宓蓬郗仰秋仓暨衡步都慕尉迟"
)
COMPOUND = "欧阳 上官 司马 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 夏侯 司徒 长孙 宇文 轩辕 端木 独孤 南宫 西门 百里 呼延 钟离 闻人 澹台 公冶 太史 申屠 赫连 濮阳 淳于 单于 完颜 拓跋 纳兰 万俟 鲜于 闾丘 司空 亓官 司寇 仉督 子车 颛孙 端木 巫马 公西 乐正 公良 欧陽 左丘 东郭 百里 谷梁 宰父 段干".split()
# Surnames that are hardly anything else, in front of a title or after 小 and 老.
PLAIN = "王李张刘陈杨赵吴周徐孙朱胡郭林罗郑梁谢宋唐韩邓冯曹彭肖董潘袁蔡蒋杜吕卢姚沈崔谭陆廖韦贾邹邱薛闫郝龚邵覃戴孔"

GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉玲飞红梅建华国庆志海燕波宇鹏浩斌丹雪婷婷慧颖琳莉萍琴兰凤洁倩云莲真环荣爱妹香月莺媛瑞凡佳嘉琼勤珍贞"
    "桂娣叶璧璐娅琦晶妍茜秋珊莎锦黛青怡婉姣婵雁蓓纨仪荷蓉眉君琴蕊薇菁梦岚苑婕馨瑗琰韵融园艺咏卿聪澜纯毓悦昭冰爽琬茗羽希宁欣飘育滢馥筠柔竹霭凝晓欢霄枫芸菲寒伊亚宜可姬舒影荔枝思丽"
    "毅俊峰林东河洪成亮政谦亨奇固之轮翰朗伯宏言若鸣朋梁栋维启克伦翔旭鹏泽晨辰士以建家致树炎德行时泰盛雄琛钧冠策腾榕风航弘义兴良海山仁波贵福生龙元全胜学祥才发武新利清彬富顺信子杰涛昌"
    "成康星光天达安岩中茂进有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆民友裕轩昊涵梓一诺欣怡宸沐语依子睿雨桐诗雅若曦紫萱可馨奕辰浩然俊熙铭宇皓轩天佑瑾瑜墨浩宇煜祺哲瀚"
    "春芝淑巧素玉金银仙花惠兴旺根水长全喜占连宝玺运来富贵满堂守业永久广田正常凯鑫淼森焱垚磊晗昕昱晟炜烨煊琪瑶琳璇珂玥玮珏"
)
FOLK_GIVEN = "建国 建军 志强 志刚 志伟 国强 国庆 海燕 晓红 小红 小明 晓明 秀英 秀兰 桂英 桂兰 玉兰 玉梅 淑珍 淑英 丽华 丽娟 春梅 红梅 雪梅 冬梅 文博 子涵 子轩 梓涵 梓萱 宇轩 浩然 欣怡 诗涵 一诺 雨桐 思远 思雨 嘉怡 家豪 俊杰 志远 明轩 天宇 晓东 晓峰 晓燕 卫东 卫国 爱国 爱华 金凤 大伟 大勇 小龙 小军 小芳 小丽 立新 立军 永强 永刚 振华 振东 德华 学友 富城 美玲 美华 佳琪 佳怡 雅婷 雅琪 静怡 婉婷 慧敏 海涛 海波 海龙 东升 新民 新华 为民 长江 黄河 光明 文明 高兴 方圆 向阳 胜利 平安 来福 得志 有为 自强 一鸣 一凡 若曦 清扬 婉清 予安 知行 书豪 启航".split()

FOREIGN_GIVEN = "Wei Fang Na Min Jing Li Qiang Lei Jun Yang Yong Yan Jie Juan Tao Ming Chao Xia Ping Gang Xiaoming Xiaohong Xiaoli Jianguo Jianjun Zhiqiang Haiyan Zihan Zixuan Haoran Xinyi Yuxuan Meiling Guoqiang Yifan Siyuan Jiahao Tianyu Ruoxi Mengyao Xuemei Dongmei Lihua Weidong Aiguo Yuhan Shiyu Boyang Chenxi Kaiwen Jiayi Wenjie Xueying Zhenhua Yutong Hao Xin Bin Peng Fei Hui Ying Yu Lan Ting Xue Dan Rui Kai Bo Chen".split()
PINYIN_SURNAMES = (
    "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Luo Gao Zheng Liang Xie Song Tang Han Deng Feng "
    "Cao Peng Zeng Xiao Tian Dong Pan Yuan Cai Jiang Yu Du Ye Cheng Wei Su Lv Lu Ding Ren Yao Shen Zhong Cui Tan Fan Liao Shi Jin "
    "Jia Xia Fu Fang Zou Xiong Bai Meng Qin Qiu Hou Yin Xue Yan Duan Lei Long Tao Mao Hao Gu Gong Shao Wan Qian Dai Mo Kong "
    "Ouyang Sima Zhuge Shangguan Murong Situ Chang Qiao Lai Wen Ni Kang Niu Ge Xing An Qi Yi"
).split()
FOREIGN_FAMILY = (
    "Chan Wong Leung Cheung Lau Kwok Lam Ng Tsang Cheng Chow Kim Park Lee Choi Jung Tanaka Suzuki Sato Yamamoto Nakamura Watanabe Nguyen Tran "
    "Pham Patel Singh Kumar Sharma Gupta Khan Ahmed Hassan Ali Hussein Silva Santos Oliveira Souza Garcia Martinez Fernandez Lopez Gonzalez "
    "Rodriguez Perez Rossi Russo Ferrari Bianchi Muller Schmidt Schneider Fischer Weber Wagner Becker Dubois Durand Moreau Laurent Lefebvre "
    "Ivanov Petrov Smirnov Kuznetsov Kowalski Nowak Novak Horvat Jansen Visser Johansson Andersson Hansen Nielsen Larsen O'Brien O'Connor "
    "O'Neill McDonald MacLeod Fitzgerald Campbell Abdullah Rahman Okafor Mensah Adeyemi Mohamed Haddad Cohen Levy Goldberg Friedman Katz"
).split()
FOREIGN_FIRST = (
    "Mohammed Ahmed Fatima Aisha Omar Yusuf Priya Rahul Anjali Arjun Raj Deepak Sanjay Sunita Hiroshi Yuki Kenji Sakura Haruto Min-jun Ji-woo "
    "Carlos Juan Jose Luis Miguel Javier Sofia Lucia Isabella Valentina Diego Pablo Giulia Marco Luca Francesca Alessandro Giovanni Hans "
    "Klaus Jürgen Stefan Anke Heike Pierre Jean Claude Marie Camille Chloé Élodie François Olga Svetlana Dmitri Ivan Natasha Sergei Piotr "
    "Katarzyna Agnieszka Lars Ingrid Sven Astrid Liam Noah Oliver Elijah Aiden Mason Logan Ethan Mia Ava Charlotte Amelia Harper Evelyn Zoe "
    "Chioma Kwame Ngozi Siobhan Niamh Aoife Ewan Callum Rhys Nigel Alistair Priyanka Vikram Mei Ling Kai Jin Soo Thanh Linh Minh"
).split()
WORD_NAMES = "Will May Mark Rose Hope Grace Joy Faith Bill Frank Grant Chase Drew Dawn Summer Autumn Jack Rob Sue Pat June April Iris Lily Violet Daisy Ruby Amber Crystal Penny Art Gene Dale Glen Heath Cliff Brook Robin Jay Ray Guy Max Rich Victor Miles Reed Hunter Mason Carter Taylor Cooper Angel Christian Dean Earl Duke Chance Destiny Harmony Melody Olive Ivy Holly Basil Herb Nick Harry".split()
TITLES = (
    "先生 女士 小姐 太太 夫人 医生 大夫 老师 教授 博士 经理 总经理 总监 主任 总 工 律师 护士 师傅 阿姨 叔叔 大爷 大妈 大哥 大姐 同学 同志 院长 校长 局长 处长 科长 部长 "
    "书记 市长 县长 镇长 村长 队长 组长 班长 警官 法官 检察官 会计 老板 老师傅 奶奶 爷爷 董事长 董事 主管 助理 秘书 司机 教练 导师 站长 店长 行长 厂长 主席 委员 将军"
).split()


def chinese_name(rng: random.Random, more_given: list[str]) -> str:
    """A surname by its share and a given name: one character 17 %, else two."""
    if rng.random() < 0.03:
        surname = rng.choice(COMPOUND[:30])
    elif rng.random() < 0.75:  # the first hundred hold 85 % of the population, falling about as 1 / (rank + 12)
        surname = rng.choices(SURNAMES[:100], [1 / (rank + 12) for rank in range(100)])[0]
    else:
        surname = rng.choice(SURNAMES)
    kind = rng.random()
    if kind < 0.17:
        return surname + rng.choice(GIVEN)
    if kind < 0.30:
        return surname + rng.choice(FOLK_GIVEN)
    if kind < 0.55:
        return surname + rng.choice(more_given)
    return surname + rng.choice(GIVEN) + rng.choice(GIVEN)


def pinyin_name(rng: random.Random) -> str:
    """A name in pinyin, family name first or last."""
    family, given = rng.choice(PINYIN_SURNAMES), rng.choice(FOREIGN_GIVEN)
    return f"{family} {given}" if rng.random() < 0.7 else f"{given} {family}"

# Organisations: a place, a brand, a trade, a form.
BRAND = "华中天金东盛泰恒信达通联鑫瑞博宏远大创新海国安康明光辉星云龙凤百千万众合和顺利源丰润德诚正方圆立成佳美嘉智慧图腾飞跃翔宇晨阳春江山河湖林森水木火土石玉银铁宝贝乐福禄寿喜吉祥如意永久长青蓝红绿白黑微软极速风雷电亿万家居品优特尚格致远航北南西上元启亚欧凯迪赛诺维克思拓普森尔"
BRANDS = "阿里巴巴 腾讯 百度 字节跳动 华为 小米 京东 美团 滴滴 网易 顺丰 格力 美的 海尔 联想 比亚迪 万科 恒大 碧桂园 中兴 大疆 拼多多 新东方 好未来 海底捞 星巴克 麦当劳 肯德基 沃尔玛 家乐福 苏宁 国美 平安 蒙牛 伊利 茅台 五粮液 青岛啤酒 同仁堂 云南白药 中粮 中石化 中石油 国家电网 中国移动 中国联通 中国电信 富士康 西门子 博世 丰田 大众 宝马 奔驰".split()
TRADE = "科技 信息技术 网络科技 网络技术 电子商务 贸易 商贸 实业 投资 投资管理 文化传媒 文化传播 广告 餐饮管理 餐饮 物流 货运 建筑工程 建设工程 建设 装饰工程 装饰设计 房地产开发 置业 物业管理 物业服务 医药 制药 生物科技 生物医药 医疗器械 教育咨询 教育科技 人力资源 企业管理咨询 咨询 服饰 服装 纺织 食品 机械 机械设备 机电设备 汽车销售服务 汽车零部件 智能装备 智能科技 环保 环境工程 新能源 软件 软件技术 电子 电子科技 通信技术 光电 化工 钢铁 矿业 能源 电力 农业 农业科技 旅游 国际旅行社 酒店管理 健康管理 家政服务 保险代理 保险 证券 信托 融资租赁 小额贷款 基金管理 资产管理 供应链管理 珠宝 家具 家居 玩具 包装 印刷 数据 数据服务 云计算 半导体 集成电路 航空 海运 船舶".split()
CORPORATE = "有限公司 有限公司 有限公司 有限公司 股份有限公司 股份有限公司 有限责任公司 集团 集团有限公司 集团股份有限公司 公司 有限公司分公司 实业公司 总公司".split()
BANKS = "中国工商银行 中国农业银行 中国银行 中国建设银行 交通银行 招商银行 中信银行 浦发银行 民生银行 兴业银行 光大银行 平安银行 华夏银行 广发银行 邮储银行 中国邮政储蓄银行 工商银行 农业银行 建设银行 浙商银行 渤海银行 微众银行 工行 建行 农行".split()
HOSPITAL = "人民医院 第一人民医院 第二人民医院 第三人民医院 中心医院 中医院 中医医院 妇幼保健院 儿童医院 肿瘤医院 口腔医院 协和医院 同济医院 医科大学附属医院 医科大学附属第一医院 附属第二医院 妇产医院 眼科医院 骨科医院 精神卫生中心 急救中心 疾病预防控制中心 社区卫生服务中心 卫生院 胸科医院 传染病医院 康复医院".split()
SCHOOL = "第一中学 第二中学 第三中学 第八中学 实验中学 高级中学 中学 一中 二中 小学 实验小学 中心小学 第二小学 外国语学校 职业技术学院 职业学院 师范学院 大学 师范大学 理工大学 农业大学 科技大学 医科大学 财经大学 交通大学 工业大学 幼儿园 实验幼儿园 技师学院 附属中学 附属小学".split()
OFFICE = "公安局 税务局 教育局 人民法院 中级人民法院 人民检察院 民政局 市场监督管理局 人力资源和社会保障局 卫生健康委员会 住房和城乡建设局 财政局 自然资源局 交通运输局 公安分局 派出所 街道办事处 居民委员会 社区居委会 村民委员会 人民政府 管理委员会 发展和改革委员会 公证处 不动产登记中心 公积金管理中心 仲裁委员会 消防救援支队 交警大队 供电局 邮政局".split()
FIRM = "律师事务所 会计师事务所 建筑设计事务所 设计工作室 工作室 诊所 口腔诊所 门诊部 口腔门诊部 大药房 药店 超市 便利店 酒店 大酒店 国际酒店 宾馆 饭店 餐厅 火锅店 咖啡馆 书店 培训学校 培训中心 研究院 研究所 设计院 出版社 杂志社 协会 商会 基金会 俱乐部 健身俱乐部 养老院 敬老院 合作社 农民专业合作社 经营部 加工厂 机械厂 服装厂 化工厂 汽修厂 电视台 博物馆 图书馆 旅行社 4S店 幼儿园 早教中心 房产中介".split()
UNIVERSITY = "清华大学 北京大学 复旦大学 浙江大学 南京大学 武汉大学 中山大学 四川大学 上海交通大学 西安交通大学 华中科技大学 同济大学 南开大学 天津大学 厦门大学 山东大学 吉林大学 中南大学 东南大学 哈尔滨工业大学 北京师范大学 中国人民大学 华东师范大学 暨南大学 深圳大学 苏州大学 郑州大学 云南大学 兰州大学 中国科学院 社会科学院".split()


def organisation(rng: random.Random, places: list[str]) -> str:
    """A Chinese organisation; ``places`` are short and long names of provinces, prefectures and counties."""
    place, brand = rng.choice(places), "".join(rng.choice(BRAND) for _ in range(rng.choice((2, 2, 2, 3, 4))))
    if rng.random() < 0.12:
        brand = rng.choice(BRANDS)
    if rng.random() < 0.04:
        brand = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.choice((2, 3, 4))))
    kind = rng.random()
    if kind < 0.40:
        lead = place if rng.random() < 0.6 else ""
        middle = f"({place})" if not lead and rng.random() < 0.25 else ""
        trade = rng.choice(TRADE) if rng.random() < 0.88 else ""
        name = lead + brand + (middle + trade if rng.random() < 0.7 else trade + middle) + rng.choice(CORPORATE)
        return name + rng.choice(places) + "分公司" if rng.random() < 0.08 and name.endswith("有限公司") else name
    if kind < 0.50:
        bank = rng.choice(BANKS) if rng.random() < 0.8 else place[:2] + rng.choice(("银行", "农商银行", "农村商业银行", "村镇银行"))
        branch = rng.choice((place, brand[:2] + "路", place + brand[:2], brand[:2])) + rng.choice(("支行", "支行", "分行", "营业部"))
        return bank + (branch if rng.random() < 0.8 else "")
    if kind < 0.62:
        return (place if rng.random() < 0.8 else brand[:2]) + rng.choice(HOSPITAL)
    if kind < 0.75:
        if rng.random() < 0.25:
            return rng.choice(UNIVERSITY) + (rng.choice(("", "", "附属医院", "第一附属医院", "附属中学", "研究院", "出版社")))
        return (place if rng.random() < 0.7 else "") + (brand[:2] if rng.random() < 0.4 else "") + rng.choice(SCHOOL[4:] if rng.random() < 0.3 else SCHOOL)
    if kind < 0.86:
        return place + rng.choice(OFFICE)
    return (place if rng.random() < 0.45 else "") + brand + rng.choice(FIRM)


# Ends by which an organisation is found.
ORGANISATION_ENDS = (
    "公司 集团 银行 支行 分行 营业部 医院 卫生院 保健院 大学 学院 中学 小学 学校 幼儿园 一中 二中 三中 公安局 税务局 教育局 管理局 民政局 财政局 资源局 保障局 监督局 运输局 建设局 供电局 "
    "邮政局 分局 卫生局 法院 检察院 派出所 办事处 委员会 居委会 村委会 管委会 人民政府 公证处 中心 支队 大队 事务所 工作室 诊所 门诊部 药房 药店 超市 便利店 酒店 宾馆 饭店 餐厅 火锅店 咖啡馆 "
    "书店 研究院 研究所 设计院 科学院 出版社 杂志社 报社 协会 学会 商会 联合会 基金会 俱乐部 养老院 敬老院 合作社 经营部 工厂 加工厂 机械厂 服装厂 化工厂 汽修厂 电视台 博物馆 图书馆 旅行社 4S店 "
    "法庭 研究室 实验室 总局 财政部 教育部 公安部 商务部 机械厂 食品厂 印刷厂 纺织厂 制药厂 电子厂 水泥厂 家具厂 有限合伙 交易所 工行 建行 农行 招行"
).split()


ROLES = (
    "申请人 推荐人 所有人 目击者 快递员 司机 驾驶员 入境人员 出境人员 患者家属 家属 顾客 租户 房东 房客 业主 住户 村民 居民 市民 市长 处长 科长 学员 考生 同学 室友 同桌 队友 教练 裁判 运动员 演员 歌手 主持人 "
    "导演 编辑 摄影师 设计师 工程师 程序员 架构师 产品经理 项目经理 客户经理 销售 销售员 采购 仓管 保安 保洁 厨师 服务员 店长 老板 老板娘 合伙人 股东 董事 监事 秘书 助理 实习生 新员工 离职员工 职工 工人 "
    "农民 军人 民警 法官 检察官 律师 公证员 仲裁员 调解员 鉴定人 翻译 导游 领队 飞行员 乘务员 船长 医师 护士长 药师 检验员 孕妇 产妇 伤者 死者 逝者 失踪者 受害人 被害人 嫌疑人 犯罪嫌疑人 罪犯 证人 第三人 "
    "原告人 上诉人 被上诉人 委托人 受托人 代办人 授权人 被授权人 继承人 赠与人 受赠人 债权人 债务人 保证人 投资人 出资人 承包人 发包人 买方 卖方 买受人 出卖人 托运人 承运人 报名者 参赛者 获奖者 志愿者 捐赠人 "
    "联络人 对接人 值班人 接待人 主讲人 报告人 发言人 记录人 拟稿人 签收人 验收人 收银员 操作员 管理员 账号主人 机主 车主 船东 店主 户主 卡主 持证人 受检者 受试者 就诊者 复诊患者 住院患者 老乡 邻居 战友 表哥 表妹 "
    "堂弟 舅舅 姑姑 叔叔 婶婶 外婆 外公 岳父 岳母 女婿 儿媳 前夫 前妻 男友 女友 未婚夫 闺蜜 徒弟 师傅 班主任 辅导员 家长 新生儿 宝宝 孩子 学生 毕业生 博士 硕士 院士 作者 译者 主编 记者 博主 网友 粉丝 骗子"
).split()
TAILS = (
    "收 持 讲 说 说过 结婚 离婚 接手 报警 拒收 签收 代收 愿不愿意 请到 手机 电话 证件号 身份证号 护照号 卡号 账号 工号 学号 的 的手机号 的身份证 的地址 的账户 来电 来信 来访 来过 来了 到了 到场 到店 到院 入院 出院 去世 死亡 失联 "
    "出差 请假 加班 迟到 辞职 离职 入职 转正 调任 升任 担任 任职 负责 主管 协助 参加 出席 缺席 发言 表示 认为 指出 强调 介绍 回复 回答 反映 投诉 要求 申请 提交 提出 提供 填写 签字 签署 签名 盖章 确认 同意 拒绝 批准 审核 "
    "复核 经办 办理 领取 缴纳 支付 转账 汇款 借款 欠款 还款 退款 购买 预订 下单 出租 承租 居住 住在 家住 搬到 搬家 位于 生于 出生 毕业 就读 考上 录取 获得 荣获 当选 被捕 被抓 驾驶 乘坐 开车 撞了 受伤 骨折 确诊 服用 手术 过敏 "
    "在 于 与 和 跟 及 是 为 将 已 已经 曾 也 都 还 没 没有 不 不在 想 要 会 能 可以 刚 刚才 昨天 今天 明天 上周 下周 月底 名下 本人 一家 一行 等人 等 同志 家里 家长 妈妈 爸爸 老公 （联系电话 （身份证 (手机 ：你好 ，你好 ！ ？ 吗 呢 吧"
).split()
LEADS = (
    "听 找 问 问问 叫 让 请 请问 帮 帮我找 给 替 跟 和 与 同 由 被 把 对 向 为 从 据 经 因 通知 联系 告诉 转告 提醒 邀请 欢迎 感谢 祝贺 恭喜 认识 见过 看到 遇到 碰到 陪 带 送 接 等 想 爱 恨 骂 夸 采访 介绍 推荐 聘任 任命 选举 "
    "免去 处罚 起诉 逮捕 抢救 护送 昨天 今天 明天 上周 下周 昨晚 刚才 周末 上午 下午 那个 这个 的 是 即 名为 叫做 原名 本名 又名 包括 例如 比如 像 关于 除了 只有 连 还有 以及 或 、 ， 。 ： （ 《 / - _ > @ # \" ' | 1. （1） ① ★"
).split()
EN_ROLES = (
    "Taxpayer Applicant Tenant Landlord Buyer Seller Borrower Lender Guarantor Witness Plaintiff Defendant Claimant Respondent Petitioner Patient "
    "Customer Client Passenger Guest Visitor Student Teacher Professor Employee Employer Manager Supervisor Director Engineer Analyst Driver Pilot "
    "Officer Agent Broker Attorney Counsel Nurse Surgeon Physician Therapist Author Editor Reviewer Reporter Host Speaker Panelist Moderator "
    "Candidate Recruiter Founder Chairman Chairwoman Treasurer Secretary Trustee Beneficiary Donor Volunteer Member Subscriber User Owner Cardholder "
    "Policyholder Insured Recipient Sender Consignee Shipper Contractor Inspector Coach Captain Player Singer Actor Artist neighbour neighbor cousin "
    "uncle aunt roommate classmate teammate colleague coworker boss landlord tenant friend girlfriend boyfriend fiancé husband wife son daughter"
).split()
EN_LEADS = (
    "with|to|from|for|by|and|or|of|about|than|between|welcome|meet|met|call|called|ask|asked|tell|told|email|emailed|contact|thank|thanks to|notify|invite|"
    "invited|remind|saw|know|hired|fired|sued|married|named|interview with|signed by|sold to|paid to|owed to|on behalf of|in the name of|insured with|"
    "treated by|referred by|reported by|assigned to|according to|including|like|,|;|:|-|(|\"|/|>|=".split("|")
)
EN_TAILS = (
    ", social security number|, residing at|, shall pay|, the sum of|, ITIN:|, born on|, who|, of| of| at| from| is| was| has| will| would| can| said| told| asked|"
    " called| paid| signed| lives| works| moved| needs| wants| left| joined| reported| filed| and| or|, and| (| <|,|.|;|:|'s| -|!|?|\n|\t| |\"|/|</name>| on| to| in| for| with".split("|")
)
PLACES_EN = (
    "Georgia Victoria Chelsea Jordan Austin Madison Paris Sydney Florence Charlotte Israel Savannah Dakota Virginia Carolina Lincoln Jackson Houston "
    "Dallas Denver Phoenix Kent Chester Lancaster York Durham Windsor Bristol Cambridge Oxford Lima Milan Vienna Verona Geneva Adelaide Perth Hamilton "
    "Wellington Washington Montana Santiago Diego Francisco Hong Kong Orlando Brooklyn Kingston Preston Ashford Holland Chad India Asia Kenya Malta"
).split()
STREET_WORDS = (
    "Old Orchard Maple Cedar Oak Pine Elm Church Station High Main King Queen Martin Luther Mill Park Lake River Hill Spring Washington Lincoln Jackson "
    "Highland Riverside Sunset Broad Market Bridge Victoria Albert George Chestnut Walnut Willow Meadow Forest Garden Prospect Pleasant Union Franklin"
).split()
STREET_ENDS = "Street St Avenue Ave Road Rd Lane Drive Dr Court Ct Boulevard Blvd Way Close Place Terrace".split()
FORMS_EN = "Ltd|Inc.|LLC|LLP|GmbH|plc|Corp|Corporation|Company|Group|Holdings|Partners|Associates|Bank|University|College|Hospital|Clinic|School|Foundation|Consulting|Foods Ltd|Energy|Logistics|Labs|Solutions|Insurance".split("|")


def address_zh(rng: random.Random, places: list[str]) -> str:
    """A Chinese address, more or less complete."""
    road = "".join(rng.choice(BRAND + GIVEN[:60]) for _ in range(rng.choice((2, 2, 2, 3)))) + rng.choice(("路", "路", "街", "大道", "巷", "东路", "北街"))
    estate = "".join(rng.choice(BRAND) for _ in range(2)) + rng.choice(("花园", "小区", "家园", "公寓", "苑", "大厦", "广场", "新村"))
    head = "".join(rng.choice(places) for _ in range(rng.choice((0, 1, 1, 2, 3))))
    tail = rng.choice((f"{rng.randrange(1, 999)}号", f"{rng.randrange(1, 99)}号{estate}{rng.randrange(1, 30)}栋{rng.randrange(1, 5)}单元{rng.randrange(101, 2900)}室", ""))
    return head + road + tail


def address_en(rng: random.Random, family: str) -> str:
    """An English address."""
    name = rng.choice(STREET_WORDS + [family]) + (" " + rng.choice(STREET_WORDS) if rng.random() < 0.3 else "")
    street = f"{rng.randrange(1, 2000)} {name} {rng.choice(STREET_ENDS)}"
    flat = rng.choice(("", "", f", Apt {rng.randrange(1, 99)}", f", Suite {rng.randrange(100, 999)}"))
    town = rng.choice(PLACES_EN + ["Springfield", "Manchester", "Portland"])
    return street + flat + rng.choice((f", {town}", f", {town}, NC 27601", f", {town} M14 5RG", ""))


def organisation_en(rng: random.Random, family: list[str]) -> str:
    """An English organisation, often named after persons."""
    first = rng.choice(family + [rng.choice(STREET_WORDS) + rng.choice(("peak", "bridge", "field", "stone", "wood", "line"))])
    join = rng.choice(("", "", f" & {rng.choice(family)}", f" {rng.choice(STREET_WORDS)}", f", {rng.choice(family)} & {rng.choice(family)}"))
    return f"{first}{join} {rng.choice(FORMS_EN)}"
