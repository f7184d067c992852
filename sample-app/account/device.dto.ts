import { IsString, Matches, MaxLength } from 'class-validator';
import { IsShortText } from '../api/dto/short-text.js';

/** Which device a form means. */
export class DeviceDto {
  @IsShortText()
  readonly id!: string;
}

/** How a device is renamed. */
export class RenameDto extends DeviceDto {
  /** Empty for no name. */
  @IsString()
  @MaxLength(100)
  @Matches(/^\P{Surrogate}*$/u)
  readonly label!: string;
}
