/** Words of a judgement: no text that a client reads has them. */
export const judgingWords = /\b(?:pass(?:ed|es|ing)?|fail(?:ed|s|ing|ure|ures)?|good|bad|poor(?:ly)?|better|best|worse|worst|worsen\w*|deteriorat\w*|harm\w*|complian\w*|compliance|non-?complian\w*|adheren\w*|non-?adheren\w*|success\w*|unsuccess\w*|deficit\w*|disorder\w*|abnormal|normal|sick\w*|patholog\w*|symptomatic|clinical\w*|caseness|relaps\w*|resist\w*|unmotivated|lazy|streak|should|must|wrong|disappoint\w*|not-on-track|recovered|remission|ruptur\w*|unrepaired|overdue|neglect\w*|uncooperative|sever(?:e|ely|ity)|symptom\w*|impair\w*|deficien\w*|alarm\w*|warn\w*|critical\w*|weak\w*|lack\w*|unfortunate\w*|insufficient\w*|inadequate\w*|low-functioning|at risk|high risk)\b/i;

/** Words that state a diagnosis or decide treatment: no text of this service has them as a claim. */
export const verdictWords = /\b(?:diagnos(?:ed|es|tic)|suffers? from|(?:has|have) (?:major )?(?:depression|anxiety|a disorder|ptsd)|is (?:depressed|anxious|ill|cured|healthy|sick)|must be treated|needs? (?:medication|treatment)|should be discharged)\b/i;

/** Words of the trade: a client need not know them. */
export const jargonWords = /\b(?:cut-offs?|thresholds?|baseline|reliabl[ey]|percentile|prorated|median|deviation|SD|trajectory|episode|adherence|metric|observation|questionnaire|instrument|null|undefined)\b/i;
