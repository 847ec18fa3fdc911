package contactlist

import "testing"

// TestHeaders shows by their headers alone which columns are a person's own phones.
func TestHeaders(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		// English, and programs that speak it.
		"Phone", "phone_number", "PhoneNumber", "Phone No.", "Telephone", "Tel.", "Mobile", "Mobile Phone", "MobilePhone", "Cell", "Cell Phone #",
		"Home Phone", "Home Phone 2", "HomePhone", "Work Phone", "Business Phone", "Business Phone 2", "Other Phone", "Primary Phone", "Car Phone",
		"Phone 1 - Value", "Phone (home)", "Daytime phone", "Evening Telephone", "Preferred Phone Number", "phone_mobile", "phone_work", "Office Phone",
		"Person - Phone - Work", "Person - Phone", "Mobile Phone Number", "WhatsApp Phone Number", "Customer Phone", "Contact Phone", "Patient Phone", "alt_phone",
		"Alternate Phone", "Direct Phone", "Default Address Phone", "TEL;TYPE=CELL", "TEL;TYPE=HOME,VOICE", "Landline", "Phone 3", "Phone E.164", "SMS Phone Number",
		// German.
		"Telefon", "Tel.-Nr.", "Telefonnummer", "Telefon geschäftlich", "Telefon geschäftlich 2", "Telefon privat", "Mobiltelefon", "Mobil (privat)",
		"Handynummer", "Rufnummer", "Festnetz", "Haupttelefon", "Weiteres Telefon", "Autotelefon", "Tel. dienstlich", "Mobil-Tel.-Nr.", "Kundentelefon", "Telefon (Büro)",
		// French, Spanish, Italian, Portuguese.
		"Téléphone", "Téléphone (bureau)", "Téléphone (domicile)", "Tél. mobile", "Numéro de téléphone", "Portable", "Téléphone principal", "Téléphone (autre)",
		"Teléfono", "Teléfono del trabajo", "Móvil", "Número de teléfono", "Teléfono móvil", "Celular", "Otro teléfono", "Teléfono particular",
		"Telefono", "Telefono (uff.)", "Telefono abitazione", "Cellulare", "Numero di telefono", "Altro telefono",
		"Telefone", "Telemóvel", "Telefone comercial", "Telefone residencial", "Telefone celular", "Número de telefone",
		// Dutch, Polish, Swedish, Danish, Norwegian, Finnish, Czech.
		"Telefoon", "Telefoon thuis", "Telefoon op werk", "Mobiele telefoon", "Telefoonnummer", "Hoofdtelefoon",
		"Telefon komórkowy", "Telefon służbowy", "Telefon domowy", "Numer telefonu", "Inny telefon",
		"Telefonnummer", "Telefon, arbete", "Arbetstelefon", "Hemtelefon", "Mobilnummer", "Telefon, bostad",
		"Arbejdstelefon", "Privattelefon", "Mobiltelefon", "Tlf.", "Arbeidstelefon", "Mobilnr.",
		"Puhelin", "Puhelinnumero", "Työpuhelin", "Kotipuhelin", "Matkapuhelin", "Muu puhelin",
		"Mobilní telefon", "Telefonní číslo", "Telefon domů", "Jiný telefon",
		// Turkish, Russian, Japanese, Chinese, Korean.
		"Cep Telefonu", "İş Telefonu", "Ev Telefonu", "Telefon No", "Diğer Telefon",
		"Телефон", "Рабочий телефон", "Домашний телефон", "Мобильный телефон", "Номер телефона", "Контактный телефон",
		"電話番号", "携帯電話", "携帯電話番号", "自宅電話番号", "勤務先電話番号", "会社電話", "その他の電話",
		"电话", "手机号码", "联系电话", "家庭电话", "办公电话", "手机", "移动电话",
		"전화번호", "휴대폰", "집 전화", "휴대전화번호",
	} {
		if c := headerClasses(header); !own(c) || c&isPhone == 0 {
			t.Errorf("%q is not taken for a phone (%b)", header, c)
		}
	}
	for _, header := range []string{
		"Assistant's Phone", "AssistantPhone", "Asst. Phone", "Business Fax", "Home Fax", "Fax", "Pager", "Company Main Phone", "Company Phone", "Switchboard Phone",
		"Manager Phone", "Manager's Mobile", "Spouse Phone", "Wife Mobile", "Mother's Cell", "Father Phone", "Parent Phone", "Guardian Phone", "Emergency Contact Phone",
		"Emergency Phone", "Doctor Phone", "Physician Telephone", "Sales Rep Phone", "Account Owner Phone", "Owner Mobile", "Account Phone", "Referrer Phone",
		"Landlord Phone", "Old Phone", "Previous Phone", "Former Mobile", "Invalid Phone", "Wrong Phone", "Disconnected Phone", "Bounced Phone", "Bad Phone", "Phone (old)",
		"Do Not Call Phone", "DNC Phone", "Unsubscribed mobile", "Blocked phone", "Opt-out phone", "Suppressed Phone", "Phone Type", "Phone Carrier", "Phone Verified",
		"Phone Ext", "Phone Country", "Last Called Phone Time", "Phone Bill", "Radio Phone", "TTY/TDD Phone", "ISDN", "Telex", "Callback", "Neighbor phone",
		"Next of kin phone", "School phone", "Employer Phone", "Store Phone", "Shipping Phone", "Billing Phone", "Reference Phone", "Lawyer phone", "Broker Phone",
		"Recruiter Phone", "HR Phone", "Phone 2019", "Phone owner", "Mobile app", "Phone status", "Telephone Preference", "TEL;TYPE=WORK,FAX",
		"Telefon Assistent", "Telefon Firma", "Fax geschäftlich", "Telefon Zentrale", "Telefonzentrale", "Sekretariat Telefon", "Telefon Mutter", "Handy Vater",
		"Notfallnummer", "Notfallkontakt Telefon", "Telefon Arzt", "Hausarzt Telefon", "Telefon Vermieter", "Telefon alt", "Alte Telefonnummer", "Falsche Nummer Telefon",
		"Telefon ungültig", "Telefon Ehepartner", "Telefon Vertreter", "Telefon Ansprechpartner Vertrieb", "Telefon für Hörbehinderte", "Telefon gesperrt", "Rückmeldung",
		"Handynummer Eltern", "Elterntelefon", "Chef Telefon", "Telefon Makler", "Telefon Hausverwaltung", "Telefon Betreuer",
		"Téléphone assistant(e)", "Téléphone société", "Télécopie (bureau)", "Téléphone mère", "Téléphone du médecin", "Ancien téléphone", "Téléphone urgence",
		"Téléphone conjoint", "Téléphone du propriétaire", "Faux numéro de téléphone", "Téléphone commercial", "Téléphone secrétariat",
		"Teléfono del ayudante", "Teléfono madre", "Teléfono de emergencia", "Teléfono anterior", "Teléfono del médico", "Teléfono empresa", "Teléfono cónyuge", "Teléfono tutor",
		"Telefono assistente", "Telefono madre", "Telefono emergenza", "Vecchio telefono", "Telefono medico", "Telefono coniuge", "Telefono società",
		"Telefone do assistente", "Telefone da mãe", "Telefone de emergência", "Telefone antigo", "Telefone do médico", "Telefone empresa", "Telefone do responsável",
		"Telefoon assistent", "Telefoon moeder", "Noodnummer", "Oude telefoon", "Telefoon huisarts", "Telefoon bedrijf", "Telefoon partner", "Telefoon ouders",
		"Telefon asystenta", "Telefon matki", "Telefon alarmowy", "Stary telefon", "Telefon lekarza", "Telefon firmy", "Telefon opiekuna", "Telefon żony", "Faks służbowy",
		"Telefon, assistent", "Mammas telefon", "Nödkontakt telefon", "Gammalt telefonnummer", "Telefon läkare", "Telefon målsman", "Växel telefon", "Telefon, företag",
		"Assistents telefon", "Mors telefon", "Nødkontakt telefon", "Gammelt telefonnummer", "Lægens telefon", "Pårørende telefon", "Firmatelefon",
		"Foresatt telefon", "Fastlege telefon", "Arbeidsgiver telefon",
		"Avustajan puhelin", "Äidin puhelin", "Hätäyhteys puhelin", "Vanha puhelin", "Lääkärin puhelin", "Huoltajan puhelin", "Esimiehen puhelin", "Faksi",
		"Telefon asistenta", "Telefon matky", "Nouzový telefon", "Starý telefon", "Telefon lékaře", "Telefon zákonného zástupce", "Telefon manželky",
		"Yardımcının Telefonu", "Anne telefonu", "Acil durum telefonu", "Eski telefon", "Doktor telefonu", "Veli telefonu", "Şirket telefonu", "Eşinin telefonu",
		"Телефон помощника", "Телефон матери", "Экстренный телефон", "Старый телефон", "Телефон врача", "Телефон родителя", "Телефон компании", "Телефон супруга", "Факс",
		"秘書の電話", "母親の電話番号", "緊急連絡先電話番号", "旧電話番号", "主治医電話番号", "保護者電話番号", "会社代表電話", "代表電話番号", "ファックス", "担当者電話番号",
		"助理的电话", "母亲电话", "紧急联系人电话", "旧电话", "医生电话", "家长电话", "公司电话", "配偶手机", "传真", "监护人手机", "客户经理电话", "无效电话",
		"보호자 전화번호", "비상연락처 전화번호", "팩스", "담당자 전화번호",
	} {
		if c := headerClasses(header); own(c) && c&isPhone != 0 {
			t.Errorf("%q is taken for a person's own phone", header)
		}
	}
}

func TestWordsAreRead(t *testing.T) {
	t.Parallel()
	for phrase, c := range words().header.phrases {
		if got := words().header.classes(phrase); got != c {
			t.Errorf("%q is %b by itself, %b as a header", phrase, c, got)
		}
	}
	for value := range words().yes {
		if words().no[value] {
			t.Errorf("%q is both yes and no", value)
		}
	}
}
